// The tensors of a BERT checkpoint by their names in transformers (BertForMaskedLM): where they go, and which are trained.
#include "transformer/cpu/cpu_engine.h"

namespace attune {
namespace {

const std::string kEmbeddings = "bert.embeddings.", kHead = "cls.predictions.";

std::string block(long i) { return "bert.encoder.layer." + std::to_string(i) + "."; }
// The norm that layer i begins with.
std::string first_norm(long i) { return i ? block(i - 1) + "output.LayerNorm" : kEmbeddings + "LayerNorm"; }

}  // namespace

void CpuEngine::build_encoder() {
  const long d = network.head_size, h = network.hidden;
  for (long i = 0; i < network.layers; i++) {
    const std::string base = block(i), attention = base + "attention.";
    Linear* g = layers_[i].group;
    g[kQkv].parts = {{attention + "self.query", network.heads * d, h, axes.query.data(), nullptr, true},
                     {attention + "self.key", network.kv_heads * d, h, axes.key.data(), nullptr, true},
                     {attention + "self.value", network.kv_heads * d, h, axes.value.data(), nullptr, true}};
    g[kO].parts = {{attention + "output.dense", h, network.heads * d, nullptr, axes.attended.data(), true}};
    g[kGateUp].parts = {{base + "intermediate.dense", network.inner, h, nullptr, nullptr, true}};
    g[kDown].parts = {{base + "output.dense", h, network.inner, nullptr, nullptr, true}};
  }
  encoder_.dense.parts = {{kHead + "transform.dense", h, h, nullptr, nullptr, true}};
  allocate_group(encoder_.dense, axes.H, axes.H);
  matmul::allocate(encoder_.positions, options.dtype, round32(network.context), axes.H, false);
  matmul::allocate(encoder_.types, options.dtype, round32(network.types), axes.H, false);
}

void CpuEngine::load_encoder(const Tensors& tensors) {
  Encoder& e = encoder_;
  load_named(tensors, kEmbeddings + "word_embeddings.weight", network.vocabulary, network.hidden, head_);
  load_named(tensors, kEmbeddings + "position_embeddings.weight", network.context, network.hidden, e.positions);
  load_named(tensors, kEmbeddings + "token_type_embeddings.weight", network.types, network.hidden, e.types);
  auto norm = [&](const std::string& name, Norm& n) {
    n.w = load_named(tensors, name + ".weight", network.hidden, nullptr, axes.H);
    n.b = load_named(tensors, name + ".bias", network.hidden, nullptr, axes.H);
  };
  for (long i = 0; i < network.layers; i++) {
    norm(first_norm(i), layers_[i].norm1);
    norm(block(i) + "attention.output.LayerNorm", layers_[i].norm2);
    for (Linear& g : layers_[i].group) load_group(tensors, g);
  }
  norm(first_norm(network.layers), norm_);
  load_group(tensors, e.dense);
  norm(kHead + "transform.LayerNorm", e.norm);
  e.bias = load_named(tensors, kHead + "bias", network.vocabulary, nullptr, axes.V);
}

void CpuEngine::train_encoder() {
  Encoder& e = encoder_;
  train_matrix(kEmbeddings + "word_embeddings.weight", head_, head_gradient_, network.vocabulary, network.hidden, nullptr, nullptr);
  train_matrix(kEmbeddings + "position_embeddings.weight", e.positions, e.positions_gradient, network.context, network.hidden, nullptr,
               nullptr);
  train_matrix(kEmbeddings + "token_type_embeddings.weight", e.types, e.types_gradient, network.types, network.hidden, nullptr, nullptr);
  for (long i = 0; i < network.layers; i++) {
    Layer& l = layers_[i];
    train_norm(first_norm(i), l.norm1, nullptr, network.hidden);
    train_group(l.group[kQkv]), train_group(l.group[kO]);
    train_norm(block(i) + "attention.output.LayerNorm", l.norm2, nullptr, network.hidden);
    train_group(l.group[kGateUp]), train_group(l.group[kDown]);
  }
  train_norm(first_norm(network.layers), norm_, nullptr, network.hidden);
  train_group(e.dense);
  train_norm(kHead + "transform.LayerNorm", e.norm, nullptr, network.hidden);
  train_vector(kHead + "bias", e.bias, e.bias_gradient, nullptr, network.vocabulary);
}

}  // namespace attune
