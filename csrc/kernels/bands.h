// A convolution in bands of output rows: what is computed of one is in the L2 cache until it is finished.
#pragma once

#include <cstdint>

#include "kernels/conv_problem.h"

namespace vaip::kernels {

// The first spatial dimension is cut; all bands are one problem, so padding along it is part of a band's source. A
// problem that is not cut is its own only band, of all images.
class Bands {
 public:
  Bands() = default;
  explicit Bands(const ConvProblem& problem) : whole_(problem), band_(problem) {}  // not cut
  // source_bytes: of a prepared element. weight_bytes: all that a band reads. Not cut, too, where the weights are so
  // large that reading them for every band costs more than it saves, or where there would be fewer bands than threads.
  // as_many_for_each: of one image, as many bands for every thread; not for sums that depend on where it is cut.
  Bands(const ConvProblem& problem, std::int64_t source_bytes, std::int64_t weight_bytes, int threads,
        bool as_many_for_each);

  const ConvProblem& whole() const { return whole_; }
  const ConvProblem& band() const { return band_; }
  bool is_cut() const { return per_image_ > 0; }
  std::int64_t count() const { return is_cut() ? whole_.batch * per_image_ : 1; }

  // Rows along the first spatial dimension, of an image.
  struct Place {
    std::int64_t image = 0;
    std::int64_t source_row = 0;      // the first, which may lie in the padding
    std::int64_t first = 0, own = 0;  // of the output: the first that is computed, and the first that is new
  };
  Place place(std::int64_t index) const;

  std::int64_t output_row() const;  // elements of a row of the output

 private:
  ConvProblem whole_, band_;
  std::int64_t per_image_ = 0;  // 0: not cut
};

}  // namespace vaip::kernels
