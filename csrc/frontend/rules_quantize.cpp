// QuantizeLinear and DequantizeLinear that are layers of their own.
#include "frontend/bf16_rounding.h"
#include "frontend/rules.h"

namespace vaip::frontend::rules {
namespace {

bool reads_dequantized(const UnitBuilder& unit) {
  const auto producer = unit.index().producer(unit.node().inputs[0]);
  return producer && is_dequantize(unit.index().node(*producer)) &&
         !unit.index().constant(unit.index().node(*producer).inputs[0]);
}

// Of a rounding that nothing took in: a view, as what it reads is bfloat16 on the device.
bool rounds(UnitBuilder& unit) {
  if (!unit.converts_floats() || !is_bf16_rounding(unit.index(), unit.node())) return false;
  unit.add_activation(0);
  unit.finish_float(ir::ReshapeAttrs{ir::ReshapeAttrs::Op::identity, {}, false});
  return true;
}

}  // namespace

void quantize(UnitBuilder& unit) {
  if (rounds(unit)) return;
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
  if (rounds(unit)) return;
  if (!is_dequantize(unit.node())) reject(unit.node(), "needs an input, a scale and an output");
  unit.add_own_tensor();
  unit.finish_float(ir::DequantizeAttrs{});
}

void dequantize_carried(UnitBuilder& unit, const std::string& value) {
  unit.add_carried(value);
  unit.finish_float(ir::DequantizeAttrs{}, value);
}

}  // namespace vaip::frontend::rules
