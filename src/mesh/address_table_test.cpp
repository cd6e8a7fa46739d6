#include "mesh/address_table.hpp"

#include <gtest/gtest.h>

namespace chatixia::mesh {
namespace {

Endpoint at(std::uint32_t ip) {
  return {IpAddress::v4(ip), 4000};
}

TEST(AddressTable, ForgetsTheOldestAddressesOfALink) {
  AddressTable table;
  Link link(PeerId("a"), {});
  for (std::uint32_t i = 1; i <= 100; ++i) table.add_address(at(1000), at(i), link);
  EXPECT_EQ(table.find_address(at(1)), nullptr);
  EXPECT_EQ(table.find_address(at(100)), &link);
  table.remove(link);
  EXPECT_EQ(table.find_address(at(100)), nullptr);
}

}  // namespace
}  // namespace chatixia::mesh
