// An engine of plain loops: every number in double, row-major, logical sizes, one thread. It tells the blocks with pieces of its own, and so proves
// that engine.h carries a second engine; tests hold the others against it. Much too slow for anything else.
#pragma once
#include "transformer/blocks/blocks.h"
#include "transformer/engine.h"
#include <array>
#include <deque>

namespace attune {

struct PlainTensor {
  std::string name;
  long rows = 0, columns = 0;  // as stored; a vector is one row
  bool vector = false;
  Doubles value, gradient, first, second;
};
// A linear layer of a group: rows of its product stand from column `at` on.
struct PlainPart {
  PlainTensor *weight, *bias;
  std::string name;
  long outputs, inputs, at;
  bool transposed;
  double& of(Doubles& w, long n, long k) const { return w[transposed ? k * outputs + n : n * inputs + k]; }
};
struct PlainSet {
  long identity = 0;
  double scale = 1, dropout = 0;
  bool trained = false;
  std::deque<PlainTensor> tensors;                             // of the base all that there are
  std::map<std::string, std::array<PlainTensor*, 2>> factors;  // A and B by the name of the linear layer
  PlainTensor* head = nullptr;
};

class PlainEngine : public Engine {
 public:
  PlainEngine(const Network& network, const Options& options, const Tensors& tensors);
  void set_adapter(const Adapter& adapter) override;
  void remove_adapter(const std::string& name) override;
  long identity(const std::string& adapter) override { return find(adapter).identity; }
  void set_head(const std::string& adapter, const std::vector<float>& w) override;
  std::vector<float> head(const std::string& adapter) override;
  void forward(const Batch& batch, const ForwardOptions& options, Outputs& out) override;
  void backward(const Gradients& gradient) override;
  void zero_gradients(const std::string& adapter) override;
  double gradient_norm(const std::string& adapter) override;
  void step(const std::string& adapter, const adamw::Step& s) override;
  std::map<std::string, std::vector<NamedShape>> parameters() const override;
  long revision() const override { return revision_; }
  std::vector<float> read(const std::string& adapter, const std::string& name, ParameterPart part) override;
  void write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) override;
  std::unique_ptr<Cache> cache(double pages, double beside, const char* what) const override;
  void run_cached(const CachedRows& rows, Cache& cache) override;
  void logits(const std::vector<int>& rows, std::vector<float>& out) override;
  std::vector<sample::Choice> choose(const Draws& draws) override;
  std::map<std::string, size_t> memory() const override;

  // The pieces (blocks/block.h); a run is a number of rows.
  template <class F> void rows(F&& f) { f(batch_.N()); }
  template <class F> void head_rows(F&& f) { f(long(head_at_.size())); }
  bool has_head_norms() const { return network_.head_norms(); }
  bool trains(long, int) const { return true; }
  bool trains_below(long) const { return true; }
  void gather(long rows, int y);
  void norm(long rows, long i, int which, int x, int y);
  void head_norms(long rows, long i, int qkv, int y);
  void linear(long rows, long i, int group, int x, int y) { linear_add(rows, i, group, x, none, y); }
  void linear_add(long rows, long i, int group, int x, int residual, int y);
  void linear_gated(long rows, long i, int x, int up, int y);
  void activate(long rows, long i, int x, int y);
  void attention(long i, int qkv, int y) { attend(i, qkv, y, none, none); }
  void norm_back(long rows, long i, int which, int x, int dy, int beside, int dx);
  void linear_back(long rows, long i, int group, int dy, int beside, int dx);
  void linear_gated_back(long rows, long i, int dy, int up, int y);
  void activate_back(long rows, long i, int x, int dy, int dx);
  void attention_back(long i, int qkv, int, int dy, int dqkv) { attend(i, qkv, none, dy, dqkv); }
  void head_norms_back(long i, int qkv, int dqkv);
  void norm_gradient(long i, int which, int x, int dy);
  void linear_gradient(long i, int group, int x, int dy);
  void run_gradients() {}

 private:
  PlainSet& find(const std::string& name);
  PlainTensor* placed(Place place, long layer, bool bias) const;
  PlainTensor& named(const std::string& adapter, const std::string& name);
  PlainTensor* norm_weight(long i, int which, bool bias) const;
  std::vector<PlainPart> parts(long i, int group) const;
  long width(Width w) const;
  Doubles& at(long i, int buffer);
  double mask(long i, int group, long row, long column) const;
  double tempered(long i, int which, long row) const;
  Doubles low(const PlainPart& p, long i, int group, const double* x, long row) const;
  Doubles low_back(const PlainPart& p, const double* dy) const;
  void attend(long i, int qkv, int y, int dy, int dqkv);
  bool sees(long i, long query, long key) const;
  Doubles turned(const double* head, long row, bool back) const;
  void start(const Batch& batch, const ForwardOptions& options);
  void run(const std::vector<int>& positions, const std::vector<int>& lengths);
  void run_head(std::vector<int> rows, long logits);
  Doubles row_logits(long r);
  void embed_back(int d);

  const Network network_;
  const Options options_;
  PlainSet base_;
  std::map<std::string, PlainSet> adapters_;
  long last_identity_ = 0, revision_ = 0;
  PassState state_;
  PlainSet* set_ = &base_;
  Batch batch_;
  ForwardOptions forward_;
  Outputs kept_outputs_;
  const CachedRows* cached_ = nullptr;
  struct PlainCache* cache_ = nullptr;
  std::vector<int> rows_, targets_, head_at_, places_;
  std::vector<uint64_t> keys_;
  long head_logits_ = 0;
  std::vector<std::vector<float>> cos_, sin_;  // of each token
  std::map<std::pair<long, int>, Doubles> buffers_;
};

}  // namespace attune
