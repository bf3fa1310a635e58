// A file mapped for reading, for the life of the object.
#pragma once
#include "transformer/engine.h"

namespace attune {

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
