#include "transformer/network/stored.h"
#include "base/error.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attune {

static std::string shape_text(const std::vector<long>& s) {
  std::string t = "[";
  for (size_t i = 0; i < s.size(); i++) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + "]";
}

const StoredTensor& find_stored(const Tensors& all, const Network& network, const NetworkTensor& tensor) {
  const std::vector<long> shape = stored_shape(network, tensor);
  for (const StoredTensor& t : all) {
    if (t.name != tensor.name) continue;
    if (t.shape != shape) throw Error("tensor_shape", t.name + ": expected " + shape_text(shape) + ", got " + shape_text(t.shape));
    return t;
  }
  throw Error("tensor_missing", tensor.name + " is missing from the checkpoint");
}

void not_finite(const StoredTensor& t) {
  throw Error("tensor_not_finite", t.path + ": " + t.name + " holds a number that is NaN or infinite");
}

MappedFile::MappedFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat s;
  if (fd < 0 || fstat(fd, &s) != 0) {
    const int reason = errno;
    if (fd >= 0) close(fd);
    throw Error("tensor_file", path + ": cannot be read (" + strerror(reason) + ")");
  }
  size_ = size_t(s.st_size);
  at_ = size_ ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  close(fd);
  if (at_ == MAP_FAILED) throw Error("tensor_file", path + ": cannot be mapped (" + strerror(errno) + ")");
}

MappedFile::~MappedFile() {
  if (size_) munmap(at_, size_);
}

const char* MappedFile::bytes(const StoredTensor& t) const {
  long n = bytes_of(t.stored);
  for (const long d : t.shape) n *= d;
  if (t.offset < 0 || size_t(t.offset) + size_t(n) > size_)
    throw Error("tensor_file", t.path + ": " + t.name + " lies beyond the end of the file");
  return static_cast<const char*>(at_) + t.offset;
}

}  // namespace attune
