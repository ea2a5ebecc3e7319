// QuantizeLinear and DequantizeLinear that are layers of their own.
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

bool reads_dequantized(const UnitBuilder& unit) {
  const auto producer = unit.index().producer(unit.node().inputs[0]);
  return producer && is_dequantize(unit.index().node(*producer)) &&
         !unit.index().constant(unit.index().node(*producer).inputs[0]);
}

}  // namespace

void quantize(UnitBuilder& unit) {
  if (!is_quantize(unit.node())) reject(unit.node(), "needs an input, a scale and an output");
  if (const TensorData* constant = unit.index().constant(unit.node().inputs[0])) {
    return unit.finish_folded(read_quantization(unit.index(), unit.node(), constant->shape.size()));
  }
  const Quantization quantization = read_quantization(unit.index(), unit.node());
  if (reads_dequantized(unit)) {  // integers of other parameters: no float in between
    unit.add_activation(0);
    return unit.finish_quantized(ir::RequantizeAttrs{}, quantization);
  }
  unit.add_float_tensor(0);
  unit.finish_quantized(ir::QuantizeAttrs{}, quantization);
}

void dequantize(UnitBuilder& unit) {
  if (!is_dequantize(unit.node())) reject(unit.node(), "needs an input, a scale and an output");
  unit.add_own_tensor();
  unit.finish_float(ir::DequantizeAttrs{});
}

void dequantize_carried(UnitBuilder& unit, const std::string& value) {
  unit.add_carried(value);
  unit.finish_float(ir::DequantizeAttrs{}, value);
}

}  // namespace vaip::frontend::rules
