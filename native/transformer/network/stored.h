// Tensors as the files of a checkpoint hold them.
#pragma once
#include "base/types.h"
#include "transformer/network/network.h"
#include <string>
#include <vector>

namespace attune {

// A tensor in a file, row-major, little-endian.
struct StoredTensor {
  std::string name, path;
  long offset = 0;
  Stored stored = Stored::f32;
  std::vector<long> shape;
};
using Tensors = std::vector<StoredTensor>;

// The tensor of that name. Throws `tensor_missing`, and `tensor_shape` where it has not the shape that the network gives it.
const StoredTensor& find_stored(const Tensors& all, const Network& network, const NetworkTensor& tensor);
// Throws `tensor_not_finite`.
[[noreturn]] void not_finite(const StoredTensor& tensor);

// A file mapped for reading, for the life of the object.
class MappedFile {
 public:
  // Throws `tensor_file` with the system's reason.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  // The numbers of a tensor, at any alignment. Throws `tensor_file` where they lie beyond the end.
  const char* bytes(const StoredTensor& t) const;

 private:
  void* at_ = nullptr;
  size_t size_ = 0;
};

}  // namespace attune
