#include "transformer/cpu/mapped_file.h"
#include "base/error.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attune {

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
