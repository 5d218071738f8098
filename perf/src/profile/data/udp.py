# IPv6/UDP, sizes imix, 4 streams, to two prefixes.
# Made by kumiki-perf profile --for trex. In trex-console:
#   start -f THIS_FILE -p 0 -m 10% -d 30
import socket
import struct

from trex.stl.api import *

# Octets of a frame with FCS, and how often in a cycle.
# IPv6/UDP has 66 at least.
SIZES = [(66, 7), (570, 4), (1518, 1)]
# First and last destination of each prefix.
DESTINATIONS = [
    ("2001:db8:1::", "2001:db8:1:0:ffff:ffff:ffff:ffff"),
    ("2001:db8:ff00::", "2001:db8:ff00:0:ffff:ffff:ffff:ffff"),
]


def low(address):
    return struct.unpack("!QQ", socket.inet_pton(socket.AF_INET6, address))[1]


def packet(octets, first, last):
    base = (Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
            / IPv6(src="2001:db8:0:1::2", dst=first, nh=17, hlim=64)
            / UDP(sport=49152, dport=9))
    pad = max(0, octets - 4 - len(base))
    vm = STLVM()
    vm.var(name="host", min_value=low(first), max_value=low(last), size=8,
           op="random")
    vm.write(fv_name="host", pkt_offset="IPv6.dst", offset_fixup=8)
    vm.var(name="stream", min_value=49152, max_value=49155, size=2, op="inc")
    vm.write(fv_name="stream", pkt_offset="UDP.sport")
    vm.fix_chksum_hw(l3_offset="IPv6", l4_offset="UDP",
                     l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP)
    return STLPktBuilder(pkt=base / Raw(b"\x00" * pad), vm=vm)


class Kumiki(object):
    def get_streams(self, port_id=0, direction=0, **kwargs):
        # -m scales these to the rate; only their proportions count.
        return [STLStream(packet=packet(octets, first, last),
                          mode=STLTXCont(pps=count))
                for octets, count in SIZES for first, last in DESTINATIONS]


def register():
    return Kumiki()
