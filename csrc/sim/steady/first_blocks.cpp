#include "sim/steady/first_blocks.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

namespace vaip::sim::steady {
namespace {

// An input under way from unit to unit: each waits for room in the memory tiles, which an earlier one makes once all of
// it has been sent, which waits for room in the cores.
struct Feed {
  const Path* path = nullptr;
  double dram = 0, channel = 0;  // cycles of a tile: of DRAM's time, and of the shim channels alone
  double arrived = 0;            // the last unit
  double at_cores = 0;           // the last tile
  std::deque<double> sent;       // when units made room,
  std::deque<double> freed;      // and tiles in the cores
};

// When the next thing has room: as the one that so many buffers ago took its place has gone.
double room(const std::deque<double>& gone, std::int64_t buffers) {
  const auto count = static_cast<std::size_t>(buffers);
  return gone.size() < count ? 0 : gone[gone.size() - count];
}

// The units that begin with a tile: the one that has room first goes first; from when the other has, they share DRAM so
// that they arrive together.
void fetch_units(std::vector<Feed>& feeds, std::int64_t tile, double& dram_free) {
  std::vector<std::pair<double, Feed*>> next;
  for (Feed& feed : feeds) {
    const TileSchedule& schedule = *feed.path->schedule;
    if (tile == 0 || schedule.first_tile_of_unit(schedule.unit_of_tile(tile)) != tile) continue;
    next.emplace_back(room(feed.sent, feed.path->operand->staging.units), &feed);
  }
  std::sort(next.begin(), next.end());
  for (auto& [begin, feed] : next) {
    const TileSchedule& schedule = *feed->path->schedule;
    const auto tiles = static_cast<double>(schedule.tiles_in_unit(schedule.unit_of_tile(tile)));
    const double by_channel = std::max(feed->arrived, begin) + tiles * feed->channel;
    dram_free = std::max(dram_free, begin) + tiles * feed->dram;
    feed->arrived = std::max(dram_free, by_channel);
  }
  for (auto& [begin, feed] : next)
    if (feed->arrived > next.back().first) feed->arrived = std::max(feed->arrived, dram_free);
}

// Those with a new tile for each call. Nothing if none of them can make a core wait within a block.
std::vector<Feed> feeds_of(const FarSide& far, double call, const Shares& first, const Shares& all) {
  std::vector<Feed> feeds;
  bool may_wait = false;
  double alone = 0, together = 0;
  for (const std::size_t i : {0, 1}) {
    const Path& path = far.path(i);
    const Staging& staging = path.operand->staging;
    if (path.tiles != far.calls() || path.far.tasks == 0 || staging.replays > 1) continue;
    may_wait = may_wait || staging.unit_tiles > 1 || path.near_tile > call;
    Shares only{};
    only[i] = 1;
    Feed& feed = feeds.emplace_back();
    feed.path = &path;
    feed.arrived = first[i];
    feed.channel = far.transfer(only)[i] / path.tiles;
    alone += feed.channel;
    together = std::max(together, all[i] / path.tiles);
  }
  if (!may_wait) return {};
  for (Feed& feed : feeds) feed.dram = together * feed.channel / alone;
  return feeds;
}

}  // namespace

double end_by_first_blocks(const LayerProgram& layer, const FarSide& far, const CallCycles& cycles, bool first_run,
                           const Shares& first, const Shares& all) {
  constexpr std::int64_t kPlayed = 4, kSettled = 2;  // blocks; the first ones find the buffers empty
  std::vector<Feed> feeds = feeds_of(far, cycles.call, first, all);
  if (feeds.empty()) return 0;
  const auto blocks = static_cast<std::int64_t>(far.calls()) / layer.steps, played = std::min(blocks, kPlayed);
  // A single output buffer makes the core wait between two blocks, when the next units catch up.
  const Path& c = far.path(2);
  const double leaving = c.operand->buffers == 1 ? c.near_tile : 0;
  double dram_free = std::max(first[0], first[1]), core = 0, settled = 0;
  for (std::int64_t block = 0; block < played; ++block) {
    if (block == kSettled) settled = core;
    if (block > 0) core += leaving;
    for (std::int64_t step = 0; step < layer.steps; ++step) {
      const std::int64_t tile = block * layer.steps + step;
      fetch_units(feeds, tile, dram_free);
      for (Feed& feed : feeds) {
        const Path& path = *feed.path;
        feed.at_cores =
            std::max({feed.at_cores, feed.arrived, room(feed.freed, path.operand->buffers)}) + path.near_tile;
        if (path.schedule->releases_unit(tile)) feed.sent.push_back(feed.at_cores);
        core = std::max(core, feed.at_cores);
      }
      core += cycles.call + (step + 1 == layer.steps ? cycles.block : 0);
      for (Feed& feed : feeds) feed.freed.push_back(core);
    }
  }
  double begin = 0;
  for (const Feed& feed : feeds) begin = std::max(begin, far.start(*feed.path, first_run));
  return begin + core +
         static_cast<double>(blocks - played) * (core - settled) / static_cast<double>(kPlayed - kSettled);
}

}  // namespace vaip::sim::steady
