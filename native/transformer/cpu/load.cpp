// Reads tensors from memory-mapped files and packs them; makes the trained tensors.
#include "base/error.h"
#include "transformer/cpu/cpu_engine.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attune {
namespace {

// A file mapped for reading, for the life of this object.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (fd < 0 || fstat(fd, &s) != 0) {
      if (fd >= 0) close(fd);
      throw Error("tensor_file", path + ": cannot be read (" + strerror(errno) + ")");
    }
    size_ = size_t(s.st_size);
    at_ = size_ ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
    close(fd);
    if (at_ == MAP_FAILED) throw Error("tensor_file", path + ": cannot be mapped (" + strerror(errno) + ")");
  }
  ~Mapped() {
    if (size_) munmap(at_, size_);
  }
  Mapped(const Mapped&) = delete;
  const char* bytes(const StoredTensor& t) const {
    long n = bytes_of(t.stored);
    for (const long d : t.shape) n *= d;
    if (t.offset < 0 || size_t(t.offset) + size_t(n) > size_)
      throw Error("tensor_file", t.path + ": " + t.name + " lies beyond the end of the file");
    return static_cast<const char*>(at_) + t.offset;
  }

 private:
  void* at_ = nullptr;
  size_t size_ = 0;
};

std::string shape_text(const std::vector<long>& s) {
  std::string t = "[";
  for (size_t i = 0; i < s.size(); i++) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + "]";
}
void expect_shape(const StoredTensor& t, const std::vector<long>& shape) {
  if (t.shape != shape) throw Error("tensor_shape", t.name + ": expected " + shape_text(shape) + ", got " + shape_text(t.shape));
}
const StoredTensor& find(const std::vector<StoredTensor>& all, const std::string& name) {
  for (const StoredTensor& t : all)
    if (t.name == name) return t;
  throw Error("tensor_missing", name + " is missing from the checkpoint");
}
[[noreturn]] void not_finite(const StoredTensor& t) {
  throw Error("tensor_not_finite", t.path + ": " + t.name + " holds a number that is NaN or infinite");
}

// Rows a packing task takes: 64, so that two tasks never touch the same block.
constexpr long kPackRows = 64;

}  // namespace

CpuEngine::CpuEngine(const Network& n, const Options& o, const Tensors& tensors, const std::atomic<bool>& stop)
    : network(n), options(o), axes(n), team(o.threads), layers_(n.layers), stop_(stop) {
  build();
  load(tensors);
  if (o.train == Train::all) train_all(tensors);
}

// The two directions of a product are needed where something below is trained.
void CpuEngine::allocate_group(Linear& g, long N, long K) {
  matmul::allocate(g.w, options.dtype, N, K, options.train != Train::none);
  if (g.parts[0].has_bias) g.bias.assign(N, 0.f);
}

void CpuEngine::build_decoder() {
  const long d = network.head_size, h = network.hidden;
  for (long i = 0; i < network.layers; i++) {
    const std::string base = "model.layers." + std::to_string(i) + ".";
    const std::string attn = base + "self_attn.", mlp = base + "mlp.";
    const bool bias = network.query_key_value_bias;
    Linear* g = layers_[i].group;
    g[kQkv].parts = {{attn + "q_proj", network.heads * d, h, axes.query.data(), nullptr, bias},
                     {attn + "k_proj", network.kv_heads * d, h, axes.key.data(), nullptr, bias},
                     {attn + "v_proj", network.kv_heads * d, h, axes.value.data(), nullptr, bias}};
    g[kO].parts = {{attn + "o_proj", h, network.heads * d, nullptr, axes.attended.data(), network.output_bias}};
    g[kGateUp].parts = {{mlp + "gate_proj", network.inner, h, axes.gate.data(), nullptr, network.mlp_bias},
                        {mlp + "up_proj", network.inner, h, axes.up.data(), nullptr, network.mlp_bias}};
    g[kDown].parts = {{mlp + "down_proj", h, network.inner, nullptr, nullptr, network.mlp_bias}};
  }
}

void CpuEngine::build() {
  network.encoder ? build_encoder() : build_decoder();
  const long N[4] = {axes.C, axes.H, axes.U, axes.H}, K[4] = {axes.H, axes.Q, axes.H, axes.I};
  for (Layer& l : layers_)
    for (int k = 0; k < 4; k++) allocate_group(l.group[k], N[k], K[k]);
  matmul::allocate(head_, options.dtype, axes.V, axes.H, false);
  if (!network.tied) matmul::allocate(embedding_, options.dtype, axes.V, axes.H, false);
}

void CpuEngine::load_matrix(const StoredTensor& t, matmul::Weights& w, const int* row_at, const int* column_at) {
  check_stop();
  const Mapped file(t.path);
  const matmul::Source source{file.bytes(t), t.stored, t.shape[0], t.shape[1], row_at, column_at};
  std::atomic<bool> finite{true};
  team.tasks((t.shape[0] + kPackRows - 1) / kPackRows, [&](long i, int) {
    if (!matmul::pack(w, source, i * kPackRows, std::min(t.shape[0], (i + 1) * kPackRows))) finite = false;
  });
  if (!finite) not_finite(t);
}

std::vector<float> CpuEngine::load_vector(const StoredTensor& t, const std::vector<int>* at, long size) const {
  const Mapped file(t.path);
  const void* data = file.bytes(t);
  std::vector<float> out(size, 0.f);
  for (long i = 0; i < t.shape[0]; i++) {
    const float x = stored_to_float(data, t.stored, i);
    if (!std::isfinite(x)) not_finite(t);
    out[at ? (*at)[i] : i] = x;
  }
  return out;
}

void CpuEngine::load_named(const Tensors& tensors, const std::string& name, long rows, long columns, matmul::Weights& w, const int* row_at,
                           const int* column_at) {
  const StoredTensor& t = find(tensors, name);
  expect_shape(t, {rows, columns});
  load_matrix(t, w, row_at, column_at);
}
std::vector<float> CpuEngine::load_named(const Tensors& tensors, const std::string& name, long count, const std::vector<int>* at,
                                         long size) const {
  const StoredTensor& t = find(tensors, name);
  expect_shape(t, {count});
  return load_vector(t, at, size);
}

void CpuEngine::load_group(const Tensors& tensors, Linear& g) {
  for (const Part& p : g.parts) {
    load_named(tensors, p.name + ".weight", p.outputs, p.inputs, g.w, p.output_at, p.input_at);
    if (!p.has_bias) continue;
    const std::vector<float> b = load_named(tensors, p.name + ".bias", p.outputs, nullptr, p.outputs);
    for (long n = 0; n < p.outputs; n++) g.bias[p.output_at ? p.output_at[n] : n] = b[n];
  }
}

void CpuEngine::load(const Tensors& tensors) {
  if (network.encoder) return load_encoder(tensors);
  load_named(tensors, "model.embed_tokens.weight", network.vocabulary, network.hidden, network.tied ? head_ : embedding_);
  if (!network.tied) load_named(tensors, "lm_head.weight", network.vocabulary, network.hidden, head_);
  norm_.w = load_named(tensors, "model.norm.weight", network.hidden, nullptr, axes.H);
  for (long i = 0; i < network.layers; i++) {
    Layer& l = layers_[i];
    const std::string base = "model.layers." + std::to_string(i) + ".";
    l.norm1.w = load_named(tensors, base + "input_layernorm.weight", network.hidden, nullptr, axes.H);
    l.norm2.w = load_named(tensors, base + "post_attention_layernorm.weight", network.hidden, nullptr, axes.H);
    if (network.query_key_norm) {
      l.q_norm.w = load_named(tensors, base + "self_attn.q_norm.weight", network.head_size, &axes.head, axes.D);
      l.k_norm.w = load_named(tensors, base + "self_attn.k_norm.weight", network.head_size, &axes.head, axes.D);
    }
    for (Linear& g : l.group) load_group(tensors, g);
  }
}

// fp32 master values of every matrix, from the numbers as stored (vectors were read when they were made).
void CpuEngine::fill_masters(const Tensors& tensors) {
  for (Parameter& p : base_.parameters.all()) {
    if (p.vector) continue;
    check_stop();
    const StoredTensor& t = find(tensors, p.name);
    const Mapped file(t.path);
    const void* data = file.bytes(t);
    team.tasks((p.rows + kPackRows - 1) / kPackRows, [&](long task, int) {
      const long last = std::min(p.size(), (task + 1) * kPackRows * p.columns);
      for (long i = task * kPackRows * p.columns; i < last; i++) p.value[i] = stored_to_float(data, t.stored, i);
    });
  }
}

}  // namespace attune
