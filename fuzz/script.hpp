#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"

namespace chatixia::fuzz {

// Plays an input as a script: one byte that chooses one of `states`, then what the stranger sends,
// each as one byte of flags, two of size, the bytes. False when there is not even a state.
template <class Scene>
bool play(Scene& scene, int states, std::span<const std::uint8_t> input) {
  ByteReader reader(input);
  const std::uint8_t state = reader.u8();
  if (!reader.ok()) return false;
  scene.reach(state % states);
  for (int entries = 0; entries < 64 && reader.remaining() > 0; ++entries) {
    const std::uint8_t flags = reader.u8();
    const Bytes bytes = reader.bytes(reader.u16());
    if (!reader.ok()) break;
    scene.inject(flags, bytes);
  }
  return true;
}

}  // namespace chatixia::fuzz
