// In what order an operand's tiles travel: which kernel call needs which tile, which unit of the memory tiles it is in.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/layer_program.h"

namespace vaip::sim {

class TileSchedule {
 public:
  TileSchedule(const LayerProgram& layer, const Operand& operand)
      : calls_(layer.blocks * layer.steps),
        steps_(layer.steps),
        tiles_(operand.tiles),
        staging_(operand.staging),
        per_block_(tiles_ % layer.steps == 0 ? layer.steps : tiles_),
        units_per_block_((per_block_ + staging_.unit_tiles - 1) / staging_.unit_tiles),
        pass_(staging_.replayed_units * staging_.replays) {}

  std::int64_t tiles() const { return tiles_; }

  // Of the tiles that a core receives: the one that a kernel call needs, and the first call that needs a tile.
  std::int64_t tile_of_call(std::int64_t call) const { return scaled(call, tiles_, calls_); }
  std::int64_t call_of_tile(std::int64_t tile) const { return (tile * calls_ + tiles_ - 1) / tiles_; }
  std::int64_t block_of_tile(std::int64_t tile) const { return call_of_tile(tile) / steps_; }

  // The unit that a tile is sent from, and whether it makes room in the memory tiles afterwards.
  std::int64_t unit_of_tile(std::int64_t tile) const {
    const std::int64_t sent = units_before(tile), in_pass = sent % pass_;
    return sent / pass_ * staging_.replayed_units + in_pass % staging_.replayed_units;
  }
  bool releases_unit(std::int64_t tile) const {
    const bool last_of_unit = tile + 1 == first_tile(units_before(tile) + 1);
    return last_of_unit && units_before(tile) % pass_ / staging_.replayed_units == staging_.replays - 1;
  }

  // Units that come from DDR, the tiles in one, and the first time that one of them is sent.
  std::int64_t units() const {
    const std::int64_t sent = units_before(tiles_ - 1) + 1;
    return sent / pass_ * staging_.replayed_units + std::min(sent % pass_, staging_.replayed_units);
  }
  std::int64_t tiles_in_unit(std::int64_t unit) const { return first_tile(unit + 1) - first_tile(unit); }
  std::int64_t first_tile_of_unit(std::int64_t unit) const {
    return first_tile(unit / staging_.replayed_units * pass_ + unit % staging_.replayed_units);
  }
  // Of the units that a call and those before it need: how many come from DDR, and the call that needs the last first.
  std::int64_t units_by_call(std::int64_t call) const {
    const std::int64_t sent = units_before(tile_of_call(call));
    return sent / pass_ * staging_.replayed_units + std::min(sent % pass_, staging_.replayed_units - 1) + 1;
  }
  std::int64_t call_of_unit(std::int64_t unit) const { return call_of_tile(first_tile_of_unit(unit)); }
  // Tiles in so many units that come from DDR.
  std::int64_t tiles_in_units(std::int64_t units) const { return first_tile(units); }
  // Tiles that come from DDR: all but those that are sent again.
  std::int64_t unique_tiles() const { return first_tile(units()); }

 private:
  static std::int64_t scaled(std::int64_t value, std::int64_t to, std::int64_t from) { return value * to / from; }
  // A block's tiles are dealt out evenly to its units; of units in the order in which they are sent.
  std::int64_t units_before(std::int64_t tile) const {
    const std::int64_t in_block = tile % per_block_;
    return tile / per_block_ * units_per_block_ + ((in_block + 1) * units_per_block_ - 1) / per_block_;
  }
  std::int64_t first_tile(std::int64_t unit) const {
    return unit / units_per_block_ * per_block_ + unit % units_per_block_ * per_block_ / units_per_block_;
  }

  std::int64_t calls_, steps_, tiles_;
  Staging staging_;
  std::int64_t per_block_, units_per_block_, pass_;
};

}  // namespace vaip::sim
