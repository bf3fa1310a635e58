#include "binding/rows.h"

namespace attune::binding {

Rows::Rows(DType dtype, long M, long columns)
    : dtype_(dtype), M_(M), columns_(columns), memory_(M ? size_t(elements({round32(M), columns})) * bytes_of(dtype) : kStep * 4) {}

Rows::Rows(DType dtype, const Floats& x, long M, long K, long columns, const std::vector<long>& at) : Rows(dtype, M, columns) {
  for (long m = 0; m < M; m++)
    for (long k = 0; k < K; k++) {
      const long i = rows_index(m, at.empty() ? k : at[k], columns);
      if (dtype == DType::f32)
        store(memory_.as<float>() + i, x[m * K + k]);
      else
        store(memory_.as<bf16>() + i, x[m * K + k]);
    }
}

void Rows::copy_to(float* x, long K, const std::vector<long>& at) const {
  for (long m = 0; m < M_; m++)
    for (long k = 0; k < K; k++) {
      const long i = rows_index(m, at.empty() ? k : at[k], columns_);
      x[m * K + k] = dtype_ == DType::f32 ? memory_.as<float>()[i] : to_float(memory_.as<bf16>()[i]);
    }
}

Floats Rows::floats(long K, const std::vector<long>& at) const {
  Floats x(elements({M_, K}));
  copy_to(x.data(), K, at);
  return x;
}

Napi::Float32Array Rows::to_js(Napi::Env env, long K, const std::vector<long>& at) const {
  Napi::Float32Array x = zeros(env, elements({M_, K}));
  copy_to(x.Data(), K, at);
  return x;
}

Floats padded(const Floats& w, long columns, const std::vector<long>& at) {
  Floats out(columns, 0.f);
  for (size_t k = 0; k < w.size(); k++) out[at.empty() ? k : at[k]] = w[k];
  return out;
}

}  // namespace attune::binding
