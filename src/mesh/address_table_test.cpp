#include "mesh/address_table.hpp"

#include <gtest/gtest.h>

namespace chatixia::mesh {
namespace {

Endpoint at(std::uint32_t ip) {
  return {IpAddress::v4(ip), 4000};
}

TEST(AddressTable, FindsALinkByItsLastTwoUfrags) {
  AddressTable table;
  Link link(PeerId("a"), {});
  for (const char* ufrag : {"one", "two", "three", "three"}) table.add_ufrag(ufrag, link);
  EXPECT_EQ(table.find_ufrag("one"), nullptr);
  EXPECT_EQ(table.find_ufrag("two"), &link);
  EXPECT_EQ(table.find_ufrag("three"), &link);
  table.remove(link);
  EXPECT_EQ(table.find_ufrag("two"), nullptr);
  EXPECT_EQ(table.find_ufrag("three"), nullptr);
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
