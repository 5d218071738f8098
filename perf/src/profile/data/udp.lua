-- IPv6/UDP, sizes imix, 4 streams, to two prefixes.
-- Made by kumiki-perf profile --for pktgen. Start with: pktgen … -- … -f THIS_FILE
-- The sequence has 12 packets: 12 of 100 destinations, 12 of 12 sizes of the cycle.
package.path = package.path .. ";?.lua;test/?.lua;app/?.lua;../?.lua"
require "Pktgen"

local port = "0"
local packets = {
  { size = 64, dst = "2001:db8:1:0:95c0:17b0:b063:a756", sport = 49152 },
  { size = 570, dst = "2001:db8:1:0:aab:a71f:4b2f:d35a", sport = 49153 },
  { size = 64, dst = "2001:db8:ffb8:9d76:f90c:f905:5eeb:6c1", sport = 49154 },
  { size = 64, dst = "2001:db8:ff05:3ec1:f06c:2737:a5b2:468e", sport = 49155 },
  { size = 570, dst = "2001:db8:ff1f:add6:ae69:dac4:c150:2f", sport = 49152 },
  { size = 64, dst = "2001:db8:1:0:8e97:1fc5:a10:8ad9", sport = 49153 },
  { size = 1518, dst = "2001:db8:1:0:57a0:52ec:ceff:5f3e", sport = 49154 },
  { size = 64, dst = "2001:db8:1:0:1def:e05d:bae7:4600", sport = 49155 },
  { size = 570, dst = "2001:db8:ff9a:ac36:7e05:14d1:3fd2:9141", sport = 49152 },
  { size = 64, dst = "2001:db8:1:0:788e:90f7:1d5c:a430", sport = 49153 },
  { size = 570, dst = "2001:db8:ff9b:335f:d850:cdc:9d97:1802", sport = 49154 },
  { size = 64, dst = "2001:db8:ff1a:3427:529b:e4bf:b3df:b2b6", sport = 49155 },
}

pktgen.stop(port)
for number, packet in ipairs(packets) do
  pktgen.seqTable(number - 1, port, {
    ["eth_dst_addr"] = "02:00:00:00:00:02",
    ["eth_src_addr"] = "02:00:00:00:00:01",
    ["ip_dst_addr"] = packet.dst,
    ["ip_src_addr"] = "2001:db8:0:1::2/64",
    ["sport"] = packet.sport,
    ["dport"] = 9,
    ["ethType"] = "ipv6",
    ["ipProto"] = "udp",
    ["pktSize"] = packet.size,
  })
end
pktgen.set(port, "seq_cnt", #packets)
pktgen.set(port, "rate", 10)
pktgen.set(port, "count", 0)
pktgen.clr()
pktgen.start(port)
pktgen.delay(30000)
pktgen.stop(port)
