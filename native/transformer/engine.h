// The surface of a device: everything that the binding, generation and rollouts ask of a loaded model. Plain data goes in and out; tiles, padding,
// threads and host or device memory are the engine's own business.
//
// Symbols: N tokens of a batch laid end to end, S sequences, R rows that a head reads, K candidates of a row, V vocabulary.
// Calls come one at a time, on one thread. Each throws an Error with a code; after one the engine stands as before the call, but a pass that was
// kept for backward may be lost. A pass is alive, for `backward`, `logits` and `choose`, until the next pass or until what it read changes.
#pragma once
#include "base/types.h"
#include "kernels/adamw/adamw.h"
#include "kernels/sample/sample.h"
#include "transformer/network/network.h"
#include "transformer/network/stored.h"
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attune {

enum class Train : int { none, adapter, all };
// `plain`: every piece as a plain loop in double, to hold other engines against.
enum class Device : int { cpu, plain };

struct Options {
  Device device = Device::cpu;
  DType dtype = DType::f32;
  int threads = 0;  // 0: one per CPU
  Train train = Train::none;
  bool recompute = false;  // keep only the input of each layer for the backward pass
};

// Low-rank factors as they are handed over.
struct AdapterTarget {
  std::string name;  // of a linear layer, without ".weight"
  long rank = 0;
  std::vector<float> a, b;  // (rank, inputs), (outputs, rank)
};
struct Adapter {
  std::string name = "default";
  float scale = 1, dropout = 0;
  bool trained = false;
  std::vector<AdapterTarget> targets;
};

// Tokens end to end.
struct Batch {
  std::vector<int> tokens, starts, targets;  // (N), (S + 1), (N): -1 where nothing is predicted
  std::vector<int> rows, ids;   // (R) positions and the ids that they must predict, in place of `targets` (a prompt's last token may
                                // have to predict the first of each answer)
  std::vector<int> candidates;  // (R, K) ids whose log-probabilities are wanted beside those of the targets
  std::vector<int> scores;      // positions whose score is wanted
  std::vector<int> keys;        // (S) identity of each sequence for dropout, or (N) of each token's; empty: its index
  std::vector<int> positions, hidden_from, hidden_to;  // (N) as in attention::Shape; all empty: places, and nothing hidden
  long N() const { return long(tokens.size()); }
};
struct ForwardOptions {
  bool keep = false, causal = true, entropy = false, mean = false, dropout = false;
  std::string adapter = "default";  // "": the base alone; "default" is the base too where no adapter is set
  uint64_t dropout_key = 0;
  float temperature = 1;  // logits are divided by it; scores are not
  long top = 0;           // likeliest ids wanted of each row with a target
};
struct Outputs {
  std::vector<float> logprob, lse, entropy, mean;  // one per target
  std::vector<float> score;                        // one per position in `scores`
  std::vector<float> candidates;                   // (R, K)
  std::vector<int> top_ids;                        // (R, top), and their log-probabilities, descending
  std::vector<float> top;
};

// Gradients of the loss with respect to what a kept pass gave; absent ones are zero. Lengths are those of the pass.
struct Gradients {
  std::vector<float> logprob;                            // one per target
  std::optional<std::vector<float>> lse, entropy, mean;  // one per target
  std::optional<std::vector<float>> score, candidates;   // must be there where the pass gave some
};

// What is trained: of the base (""), and of each adapter. Logical shapes.
struct NamedShape {
  std::string name;
  std::vector<long> shape;
};
enum class ParameterPart : int { value, gradient, first, second };  // of a trained tensor: itself, its gradient, AdamW's moments

constexpr long kPage = 32;  // tokens of a page of cached keys and values

// Memory for keys and values, in pages; which page belongs to whom is the owner's bookkeeping (generation/pages.h).
class Cache {
 public:
  virtual ~Cache() = default;
  // Takes the memory, zeroed: gigabytes at times, so where work is done. Again: nothing.
  virtual void reserve() = 0;
  virtual void copy_page(int from, int to) = 0;
  virtual size_t bytes() const = 0;
};

// Rows that leave their keys and values in a cache.
struct CachedRows {
  std::string adapter = "default";
  std::vector<int> tokens, starts;  // (N), (S + 1)
  std::vector<int> positions;       // (N)
  std::vector<int> lengths;         // (N) tokens of the sequence that each row makes, its own included
  std::vector<int> slots;           // (N) page * kPage + place in it: where the row's key and value go
  std::vector<int> pages;           // (N, most_pages) what each row reads; empty: the sequences attend to themselves alone
  long most_pages = 0;
};

// Tokens drawn from rows of the last pass, several of one row where several answers begin.
struct Draws {
  std::vector<int> rows;     // (R) of the pass
  std::vector<int> from;     // (draws) index into `rows`
  std::vector<double> unit;  // (draws) uniform in [0, 1)
  sample::Options options;   // of all; its `unit` and `seen` are not read
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Adds the adapter, or replaces the one of its name; one that does not fit changes nothing.
  virtual void set_adapter(const Adapter& adapter) = 0;
  virtual void remove_adapter(const std::string& name) = 0;
  // Which adapter it is that has the name now: a number that no other has had; 0 for the base.
  virtual long identity(const std::string& adapter) = 0;
  // Gives a set (an adapter by name, or "" where all weights are trained) a scalar head, (hidden) numbers; trained as the set is.
  virtual void set_head(const std::string& adapter, const std::vector<float>& w) = 0;
  virtual std::vector<float> head(const std::string& adapter) = 0;

  virtual void forward(const Batch& batch, const ForwardOptions& options, Outputs& out) = 0;
  // Adds to the gradients of what is trained. Needs the pass that was kept, and keeps it no longer; one whose gradients do not fit changes nothing.
  virtual void backward(const Gradients& gradient) = 0;
  virtual void zero_gradients(const std::string& adapter) = 0;
  // L2 over all trained tensors of a set.
  virtual double gradient_norm(const std::string& adapter) = 0;
  // One AdamW step; gradients are zero afterwards.
  virtual void step(const std::string& adapter, const adamw::Step& s) = 0;

  // By set; another revision() where they may have changed.
  virtual std::map<std::string, std::vector<NamedShape>> parameters() const = 0;
  virtual long revision() const = 0;
  virtual std::vector<float> read(const std::string& adapter, const std::string& name, ParameterPart part) = 0;
  // Of all parts but the gradient.
  virtual void write(const std::string& adapter, const std::string& name, ParameterPart part, const std::vector<float>& values) = 0;

  // Room for `pages`; nothing is taken yet. Refuses, with `out_of_memory`, more than there is room for beside `beside` bytes of the owner `what`.
  // Reads nothing that a call changes: may be asked on any thread.
  virtual std::unique_ptr<Cache> cache(double pages, double beside, const char* what) const = 0;
  virtual void run_cached(const CachedRows& rows, Cache& cache) = 0;
  // Of the last pass: logits (rows, V) fp32, in a buffer that may be used again (MiBs a row); and tokens drawn from them.
  virtual void logits(const std::vector<int>& rows, std::vector<float>& out) = 0;
  virtual std::vector<sample::Choice> choose(const Draws& draws) = 0;

  // Bytes by part.
  virtual std::map<std::string, size_t> memory() const = 0;
};

// ---- What every engine does alike.

// Throws `model_arguments` for what the network of the batch does not compute.
void check_batch(const Network& network, const Batch& batch, const ForwardOptions& options);
// Every gradient has the length of what the pass gave; what it did not give has none.
void check_gradients(const Outputs& given, const Gradients& gradients);
// Positions with a target, and the targets.
void find_targets(const Batch& batch, std::vector<int>& rows, std::vector<int>& ids);

// Whether the last pass may still be asked for logits, or gone back through, and why not.
class PassState {
 public:
  void ran(bool kept) { alive_ = true, kept_ = kept; }
  // What the pass stands on is about to change.
  void lose(const char* why);
  // Only the rows that its head read are about to change.
  void lose_kept(const char* why);
  void check_alive() const;
  void check_kept() const;

 private:
  bool alive_ = false, kept_ = false;
  const char* why_lost_ = nullptr;  // of the one that was kept last
};

// Loads the tensors. `stop`: looked at between layers and tensors; once it is true, work ends with the error `stopped`.
std::unique_ptr<Engine> load(const Network& network, const Options& options, const Tensors& tensors, const std::atomic<bool>& stop);

// What is to be done with a model.
struct Workload {
  long tokens = 1;   // in flight
  long rank = 0;     // of an adapter on all linear layers; 0: none
  long prefill = 0;  // tokens of prompts in one pass of a rollout
  double pages = 0;  // of its cache
  long answers = 0;  // in flight; 0: no rollout
};
struct MemoryPlan {
  double fixed = 0;        // weights, packings, adapter, optimiser state
  double activations = 0;  // for the tokens in flight, or the prompts of a rollout in one pass
  double cache = 0;        // of a rollout: keys and values in pages, and the logits of answers in flight
};
// How much memory a run needs, in bytes, as a pure function: asked before anything is loaded.
MemoryPlan plan_memory(const Network& network, const Options& options, const Workload& workload);

}  // namespace attune
