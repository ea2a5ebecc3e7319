// A device is data: arrays, memories, links and clocks of an NPU, each number with unit and source in devices/*.json.
