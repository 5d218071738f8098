-- Kumiki's Membership-LSA in Wireshark and tshark: LS type 0xDFF8 of OSPFv3, as docs/tenants.md
-- has it.
--
--   tshark -X lua_script:kumiki.lua -r FILE -Y kumiki.membership -V
--
-- Wireshark reads OSPFv3 itself and shows an LSA of a type that it does not know as octets. This
-- comes after it, finds the LSAs in Link State Updates, and adds a tree of its own. It needs
-- Wireshark 3.4 or later. Everything is compared with what is there before it is read; what is
-- wrong is marked as malformed.

local membership = Proto("kumiki.membership", "Kumiki Membership-LSA")

local ENTERPRISE = 32473
local VERSION = 1
local LS_TYPE = 0xdff8
local LINK_STATE_UPDATE = 4
local OSPF_HEADER_OCTETS = 16
local LSA_HEADER_OCTETS = 20
local FIXED_OCTETS = 24
local TLV_OCTETS = 4
local TENANT, TENANT_OCTETS = 1, 16
local RENUMBERING, RENUMBERING_OCTETS = 2, 12

local carriers = { [0] = "IPv6 (115)", [1] = "UDP", [2] = "UDP, checksum optional" }
local sublayers = { [0] = "none", [1] = "default" }
local sequencings = { [0] = "none", [1] = "frames without IP", [2] = "all" }
local types = { [TENANT] = "tenant", [RENUMBERING] = "session id" }

local f = {
    router = ProtoField.ipv4("kumiki.membership.router", "Advertising router"),
    id = ProtoField.uint32("kumiki.membership.link_state_id", "Link State ID", base.HEX),
    enterprise = ProtoField.uint32("kumiki.membership.enterprise", "Enterprise number"),
    version = ProtoField.uint8("kumiki.membership.version", "Version"),
    endpoint = ProtoField.ipv6("kumiki.membership.endpoint", "Endpoint of tunnels"),
    tlv = ProtoField.uint16("kumiki.membership.tlv.type", "Type", base.DEC, types),
    length = ProtoField.uint16("kumiki.membership.tlv.length", "Length"),
    octets = ProtoField.bytes("kumiki.membership.tlv.value", "Value"),
    tenant = ProtoField.uint32("kumiki.membership.tenant", "Tenant"),
    epoch = ProtoField.uint32("kumiki.membership.epoch", "Epoch of cookies", base.HEX),
    mtu = ProtoField.uint16("kumiki.membership.mtu", "MTU of frames' IP packets"),
    carrier = ProtoField.uint8("kumiki.membership.carrier", "Carrier", base.DEC, carriers),
    cookie = ProtoField.uint8("kumiki.membership.cookie", "Octets of a cookie"),
    sublayer = ProtoField.uint8("kumiki.membership.sublayer", "Sublayer", base.DEC, sublayers),
    sequencing = ProtoField.uint8(
        "kumiki.membership.sequencing", "Numbered frames", base.DEC, sequencings
    ),
    sender = ProtoField.ipv4("kumiki.membership.sender", "Sender"),
    salt = ProtoField.uint32("kumiki.membership.salt", "Salt of its session id"),
}
membership.fields = f

local malformed = ProtoExpert.new(
    "kumiki.membership.malformed", "Malformed Membership-LSA", expert.group.MALFORMED,
    expert.severity.ERROR
)
local foreign = ProtoExpert.new(
    "kumiki.membership.foreign", "Of another enterprise or version", expert.group.UNDECODED,
    expert.severity.NOTE
)
membership.experts = { malformed, foreign }

local ospf = Field.new("ospf")

local function add_tenant(tree, value)
    tree:add(f.tenant, value(0, 4))
    tree:add(f.epoch, value(4, 4))
    tree:add(f.mtu, value(8, 2))
    tree:add(f.carrier, value(10, 1))
    tree:add(f.cookie, value(11, 1))
    tree:add(f.sublayer, value(12, 1))
    tree:add(f.sequencing, value(13, 1))
    tree:append_text(string.format(
        ": tenant %d, epoch 0x%08x, MTU %d", value(0, 4):uint(), value(4, 4):uint(),
        value(8, 2):uint()
    ))
end

local function add_renumbering(tree, value)
    tree:add(f.tenant, value(0, 4))
    tree:add(f.sender, value(4, 4))
    tree:add(f.salt, value(8, 4))
end

-- One TLV at `at`; where the next one begins, or nil at the end.
local function add_tlv(tree, body, at)
    if body:len() - at < TLV_OCTETS then
        tree:add_proto_expert_info(malformed, "Octets after the last TLV")
        return nil
    end
    local kind, length = body(at, 2):uint(), body(at + 2, 2):uint()
    local padded = TLV_OCTETS + math.floor((length + 3) / 4) * 4
    if at + padded > body:len() then
        tree:add_proto_expert_info(malformed, "A TLV longer than the LSA")
        return nil
    end
    local name = types[kind] or "of an unknown type"
    local branch = tree:add(membership, body(at, padded), "TLV " .. name)
    branch:add(f.tlv, body(at, 2))
    branch:add(f.length, body(at + 2, 2))
    local wanted = ({ [TENANT] = TENANT_OCTETS, [RENUMBERING] = RENUMBERING_OCTETS })[kind]
    if length > 0 and wanted == length then
        local value = body(at + TLV_OCTETS, length):tvb()
        if kind == TENANT then
            add_tenant(branch, value)
        else
            add_renumbering(branch, value)
        end
    elseif wanted then
        branch:add_proto_expert_info(malformed, "A TLV of another length")
    elseif length > 0 then
        branch:add(f.octets, body(at + TLV_OCTETS, length))
    end
    return at + padded
end

-- The body of an LSA, a Tvb.
local function add_body(tree, body)
    if body:len() < 5 then
        tree:add_proto_expert_info(malformed, "Shorter than its beginning")
        return
    end
    tree:add(f.enterprise, body(0, 4))
    tree:add(f.version, body(4, 1))
    if body(0, 4):uint() ~= ENTERPRISE or body(4, 1):uint() ~= VERSION then
        tree:add_proto_expert_info(foreign)
        return
    end
    if body:len() < FIXED_OCTETS then
        tree:add_proto_expert_info(malformed, "Shorter than its fixed part")
        return
    end
    tree:add(f.endpoint, body(8, 16))
    local at = FIXED_OCTETS
    while at and at < body:len() do
        at = add_tlv(tree, body, at)
    end
end

-- A Link State Update (RFC 5340 §A.3.5), a Tvb.
local function add_update(tree, packet)
    local at = OSPF_HEADER_OCTETS + 4
    local count = packet(OSPF_HEADER_OCTETS, 4):uint()
    while count > 0 and packet:len() - at >= LSA_HEADER_OCTETS do
        local length = packet(at + 18, 2):uint()
        if length < LSA_HEADER_OCTETS or at + length > packet:len() then
            return
        end
        if packet(at + 2, 2):uint() == LS_TYPE then
            local branch = tree:add(membership, packet(at, length))
            branch:add(f.id, packet(at + 4, 4))
            branch:add(f.router, packet(at + 8, 4))
            if length > LSA_HEADER_OCTETS then
                local octets = length - LSA_HEADER_OCTETS
                add_body(branch, packet(at + LSA_HEADER_OCTETS, octets):tvb())
            else
                branch:add_proto_expert_info(malformed, "Shorter than its beginning")
            end
        end
        at = at + length
        count = count - 1
    end
end

function membership.dissector(_, _, tree)
    for _, info in ipairs({ ospf() }) do
        local packet = info.range:tvb()
        local is_update = packet:len() >= OSPF_HEADER_OCTETS + 4
            and packet(0, 1):uint() == 3
            and packet(1, 1):uint() == LINK_STATE_UPDATE
        if is_update then
            add_update(tree, packet)
        end
    end
end

register_postdissector(membership)
