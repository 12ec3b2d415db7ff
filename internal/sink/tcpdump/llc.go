package tcpdump

import "encoding/binary"

// Service access points of IEEE 802.2 that are handled here, without the lowest bit.
const (
	sapIP      = 0x06
	sapSTP     = 0x42
	sapSNAP    = 0xaa
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe
)

var sapNames = []word{
	{0x00, "Null"}, {0x02, "802.1B I"}, {sapIP, "IP"}, {0x04, "SNA"}, {0x0e, "ProWay NM"}, {sapSTP, "STP"},
	{0x4e, "RS511"}, {0x7e, "ISO8208"}, {0x8e, "ProWay"}, {sapSNAP, "SNAP"}, {sapIPX, "IPX"}, {sapNetBEUI, "NetBeui"},
	{sapISO, "OSI"},
}

// Control fields of unnumbered frames.
const (
	llcUI  = 0x03
	llcXID = 0xaf
)

var llcCommands = []word{
	{llcUI, "ui"}, {0xe3, "test"}, {llcXID, "xid"}, {0x63, "ua"}, {0x43, "disc"}, {0x0f, "dm"}, {0x6f, "sabme"},
	{0x87, "frmr"},
}

// llcHeader is an LLC header (IEEE 802.2).
type llcHeader struct {
	dst, src uint8
	control  uint16 // one byte in unnumbered frames
	size     int    // bytes, 3 or 4
}

// unnumbered reports whether a frame is unnumbered. Supervisory and information frames have a
// control field of two bytes.
func (h *llcHeader) unnumbered() bool { return h.control&3 == 3 }

// asks reports whether the poll/final bit is set.
func (h *llcHeader) asks() bool {
	if h.unnumbered() {
		return h.control&0x10 != 0
	}
	return h.control&0x100 != 0
}

// llc writes n bytes with an LLC header at offset at. It returns the length of the headers, and
// false if neither tcpdump nor this package decodes the payload. macs is true if the frame
// starts with Ethernet addresses.
func (w *writer) llc(at int, n uint32, macs bool) (int, bool) {
	w.proto = "llc"
	got := w.end - at
	var h llcHeader
	if got >= 3 {
		h = llcHeader{w.d[at], w.d[at+1], uint16(w.d[at+2]), 3}
		if !h.unnumbered() {
			h.size = 4
		}
	}
	if got < 3 || got < h.size {
		w.trunc()
		w.raw(at)
		return got, true
	}
	if h.size == 4 {
		h.control = binary.LittleEndian.Uint16(w.d[at+2:])
	}
	if h.dst == 0xff && h.src == 0xff { // IPX without an LLC header
		if macs && !w.o.Link {
			w.macs(" ")
		}
		w.say("IPX 802.3, length ", n)
		return 0, true
	}
	if w.o.Link {
		w.llcHeader(&h)
	}
	inside, left := at+h.size, n-uint32(h.size)
	known := false
	if dst := h.dst &^ 1; dst == h.src&^1 {
		switch {
		case dst == sapSNAP && h.control == llcUI:
			known = w.snap(inside, left, macs)
			if !known {
				w.dump(at)
			}
			return h.size + snapSize, known
		case dst == sapSTP && h.control == llcUI:
			w.stp(inside, left)
			return h.size, true
		case (dst == sapIP || dst == sapIPX || dst == sapISO) && h.control == llcUI:
			known = true
		case dst == sapNetBEUI && (h.control&1 == 0 || h.control == llcUI):
			known = true
		}
	}
	if !w.o.Link {
		w.llcEnds(&h, macs)
	}
	if !w.llcControl(&h, inside, n) && !known {
		w.dump(at)
		return h.size, false
	}
	return h.size, true
}

// llcHeader writes an LLC header.
func (w *writer) llcHeader(h *llcHeader) {
	w.str("LLC, dsap ")
	w.sap(h.dst, "Individual", "Group")
	w.str(", ssap ")
	w.sap(h.src, "Command", "Response")
	w.str(", ctrl 0x")
	w.hex(uint64(h.control), 2*(h.size-2))
	w.str(": ")
}

func (w *writer) sap(v uint8, even, odd string) {
	w.str(orUnknown(name(sapNames, uint32(v&^1))))
	w.code(uint64(v&^1), 2)
	w.byte(' ')
	if v&1 == 0 {
		w.str(even)
	} else {
		w.str(odd)
	}
}

// llcEnds writes the source and destination of a frame.
func (w *writer) llcEnds(h *llcHeader, macs bool) {
	one := h.dst&^1 == h.src&^1
	if macs {
		w.colons(w.d[6:12])
	}
	if !one {
		if macs {
			w.byte(' ')
		}
		w.coded(sapNames, uint32(h.src&^1), "Unknown SSAP 0x", "")
	}
	if macs || !one {
		w.str(" > ")
	}
	if macs {
		w.colons(w.d[:6])
		w.byte(' ')
	}
	w.coded(sapNames, uint32(h.dst&^1), "Unknown DSAP 0x", "")
	w.byte(' ')
}

// coded writes the name of v, or before, v in two hex digits, and after if it has none.
func (w *writer) coded(list []word, v uint32, before, after string) {
	if s := name(list, v); s != "" {
		w.str(s)
		return
	}
	w.str(before)
	w.hex(uint64(v), 2)
	w.str(after)
}

// llcControl writes the control field of a frame of n bytes. It returns false if the payload at
// offset inside remains to be written.
func (w *writer) llcControl(h *llcHeader, inside int, n uint32) bool {
	numbers := uint32(h.control)
	switch {
	case h.unnumbered():
		w.str("Unnumbered, ")
		w.coded(llcCommands, numbers&0xef, "", "")
	case numbers&3 == 1:
		words := [...]string{"Receiver Ready", "Receiver not Ready", "Reject", "?"}
		w.str("Supervisory, ")
		w.str(words[numbers>>2&3])
		w.say(", rcv seq ", numbers>>9&0x7f)
	default:
		w.say("Information, send seq ", numbers>>1&0x7f)
		w.say(", rcv seq ", numbers>>9&0x7f)
	}
	w.str(", Flags [")
	switch response := h.src&1 != 0; {
	case response && h.asks():
		w.str("Final")
	case response:
		w.str("Response")
	case h.asks():
		w.str("Poll")
	default:
		w.str("Command")
	}
	w.say("], length ", n)
	switch {
	case !h.unnumbered():
		return numbers&3 == 1
	case numbers&0xef != llcXID:
		return false
	case n == uint32(h.size):
		return true
	case !w.has(inside, 1):
		w.trunc()
		return true
	case w.d[inside] != 0x81: // IEEE 802.2 5.4.1.1.2
		return false
	case !w.has(inside, 3):
		w.trunc()
		w.raw(inside)
		return true
	}
	w.str(": ")
	w.hex(uint64(w.d[inside+1]), 2)
	w.byte(' ')
	w.hex(uint64(w.d[inside+2]), 2)
	return true
}

// snapSize is the size of a SNAP header: organization and protocol.
const snapSize = 5

// Organizations whose protocols are handled here.
const (
	ouiEthernet  = 0x000000
	ouiCisco     = 0x00000c
	ouiCisco90   = 0x0000f8
	ouiBridged   = 0x0080c2
	ouiAppletalk = 0x080007
)

var ouiNames = []word{
	{ouiEthernet, "Ethernet"}, {ouiCisco, "Cisco"}, {0x00005e, "IANA"}, {0x000081, "Nortel Networks SONMP"},
	{ouiCisco90, "Cisco bridged"}, {ouiBridged, "Ethernet bridged"}, {0x00a03e, "ATM Forum"},
	{0x00e02f, "DOCSIS Spanning Tree"}, {ouiAppletalk, "Appletalk"}, {0x009069, "Juniper"},
	{0x080009, "Hewlett-Packard"}, {0x00120f, "IEEE 802.3 Private"}, {0x0012bb, "ANSI/TIA"}, {0x001b21, "DCBX"},
	{0x002320, "Nicira Networks"}, {0x5c16c7, "Big Switch Networks"}, {0xb0d2f5, "Vello Systems"}, {0x002481, "HP"},
	{0x0004ea, "HP-Labs"}, {0x748771, "Infoblox Inc"}, {0xa42305, "Open Networking Lab"}, {0x00049f, "Freescale"},
	{0x0015ad, "Netronome"}, {0x001018, "Broadcom"}, {0x00e004, "PMC-Sierra"}, {0xd0f0db, "Ericsson"},
}

// Cisco protocols.
const (
	ciscoCDP        = 0x2000
	ciscoVTP        = 0x2003
	ciscoDTP        = 0x2004
	ciscoUDLD       = 0x0111
	ciscoPVST       = 0x010b
	ciscoVLANBridge = 0x010c
)

var ciscoNames = []word{
	{ciscoCDP, "CDP"}, {ciscoVTP, "VTP"}, {ciscoDTP, "DTP"}, {ciscoUDLD, "UDLD"}, {ciscoPVST, "PVST"},
	{ciscoVLANBridge, "VLAN Bridge"},
}

// Kinds of bridged frames (RFC 2427, 2684).
const (
	bridgedEther    = 0x0001
	bridgedRing     = 0x0003
	bridgedFDDI     = 0x0004
	bridgedEtherRaw = 0x0007 // without the FCS at the end, like those below
	bridgedRingRaw  = 0x0009
	bridgedFDDIRaw  = 0x000a
	bridgedBPDU     = 0x000e
)

var bridgedNames = []word{
	{bridgedEther, "Ethernet + FCS"}, {bridgedEtherRaw, "Ethernet w/o FCS"}, {0x0002, "802.4 + FCS"},
	{0x0008, "802.4 w/o FCS"}, {bridgedRing, "Token Ring + FCS"}, {bridgedRingRaw, "Token Ring w/o FCS"},
	{bridgedFDDI, "FDDI + FCS"}, {bridgedFDDIRaw, "FDDI w/o FCS"}, {0x0005, "802.6 + FCS"}, {0x000b, "802.6 w/o FCS"},
	{bridgedBPDU, "BPDU"},
}

// snap writes n bytes with a SNAP header at offset at. It returns false if neither tcpdump nor
// this package decodes the payload.
func (w *writer) snap(at int, n uint32, macs bool) bool {
	w.proto = "snap"
	if !w.has(at, snapSize) {
		w.trunc()
		return true
	}
	org, pid := w.u32(at)>>8, w.u16(at+3)
	at += snapSize
	n -= snapSize
	if w.o.Link {
		w.snapHeader(org, pid, n, true)
	}
	k := none
	switch {
	case org == ouiEthernet, org == ouiCisco90, org == ouiAppletalk && pid == etherAppletalk:
		k = w.carried(pid, at, n)
	case org == ouiCisco && (pid == ciscoPVST || pid == ciscoVLANBridge), org == ouiBridged && pid == bridgedBPDU:
		w.stp(at, n)
		return true
	case org == ouiCisco:
		switch pid {
		case ciscoCDP, ciscoVTP, ciscoDTP, ciscoUDLD:
			k = others
		}
	case org == ouiBridged:
		switch pid {
		case bridgedEther, bridgedEtherRaw, bridgedRing, bridgedRingRaw, bridgedFDDI, bridgedFDDIRaw:
			k = others
		}
	}
	if k != written && !w.o.Link {
		if macs {
			w.macs(" ")
		}
		w.str("SNAP, ")
		w.snapHeader(org, pid, n, org != ouiEthernet)
	}
	if k == others {
		w.rest(k, at)
	}
	return k != none
}

// snapHeader writes a SNAP header, which n bytes follow; withOrg includes the organization.
func (w *writer) snapHeader(org uint32, pid uint16, n uint32, withOrg bool) {
	if withOrg {
		w.str("oui ")
		w.str(orUnknown(name(ouiNames, org)))
		w.code(uint64(org), 6)
		w.str(", ")
	}
	var names []word
	switch org {
	case ouiEthernet, ouiCisco90, ouiAppletalk:
		names = etherTypes
	case ouiCisco:
		names = ciscoNames
	case ouiBridged:
		names = bridgedNames
	}
	if org == ouiEthernet {
		w.str("ethertype ")
	} else {
		w.str("pid ")
	}
	w.str(orUnknown(name(names, uint32(pid))))
	w.code(uint64(pid), 4)
	w.colonLength(n)
}

// Offsets in a BPDU, and sizes, in bytes (IEEE 802.1D 9, 802.1Q 14).
const (
	bpduFlags     = 4
	bpduBridge    = 17
	bpduPort      = 25
	bpduV1Length  = 35
	bpduV3Length  = 36
	bpduSize      = 36
	bpduMSTPSize  = 102
	bpduSPBLength = 87 // minimum length of the version 4 part
)

const (
	stpRapid    = 2
	stpMultiple = 3
	stpShortest = 4
)

var (
	stpVersions = []word{{0, "802.1d"}, {stpRapid, "802.1w"}, {stpMultiple, "802.1s"}, {stpShortest, "802.1aq"}}
	bpduTypes   = []word{{bpduConfig, "Config"}, {bpduRapid, "Rapid STP"}, {0x80, "Topology Change"}}
	bpduBits    = []word{
		{0x01, "Topology change"}, {0x02, "Proposal"}, {0x10, "Learn"}, {0x20, "Forward"}, {0x40, "Agreement"},
		{0x80, "Topology change ACK"},
	}
)

const (
	bpduConfig = 0
	bpduRapid  = 2
)

// stp writes a BPDU of the spanning tree protocols of n bytes.
func (w *writer) stp(at int, n uint32) {
	w.proto = "stp"
	if n < 4 {
		w.invalid()
		return
	}
	if w.u16(at) != 0 {
		w.say("unknown STP version, length ", n)
		return
	}
	version := w.u8(at + 2)
	w.str("STP ")
	w.coded(stpVersions, uint32(version), "Unknown STP protocol (0x", ")")
	if name(stpVersions, uint32(version)) == "" {
		return
	}
	kind := w.u8(at + 3)
	w.str(", ")
	w.coded(bpduTypes, uint32(kind), "Unknown BPDU Type (0x", ")")
	switch {
	case kind == bpduConfig && n < bpduSize-1, kind == bpduRapid && version == stpRapid && n < bpduSize:
		w.invalid()
	case kind == bpduConfig, kind == bpduRapid && version == stpRapid:
		w.bpduFlags(at, "")
		if w.need(at+bpduBridge, bpduPort+2-bpduBridge) {
			w.str(", bridge-id ")
			w.hex(uint64(w.u16(at+bpduBridge)), 4)
			w.byte('.')
			w.colons(w.d[at+bpduBridge+2 : at+bpduPort])
			w.byte('.')
			w.hex(uint64(w.u16(at+bpduPort)), 4)
			w.say(", length ", n)
		}
	case kind == bpduRapid && version > stpRapid:
		w.multiple(at, n, version)
	}
}

func (w *writer) bpduFlags(at int, before string) {
	flags := w.u8(at + bpduFlags)
	w.str(", ")
	w.str(before)
	w.str("Flags [")
	w.bits(bpduBits, uint32(flags), ", ", "none")
	w.byte(']')
}

// multiple writes a BPDU of MSTP or shortest path bridging.
func (w *writer) multiple(at int, n uint32, version uint8) {
	if n < bpduMSTPSize || w.u8(at+bpduV1Length) != 0 {
		w.invalid()
		return
	}
	v3 := uint32(w.u16(at+bpduV3Length)) + 2
	if n < bpduSize+v3 {
		w.invalid()
		return
	}
	w.bpduFlags(at, "CIST ")
	w.say(", length ", n)
	if version != stpShortest {
		return
	}
	if v4 := uint32(w.u16(at+bpduV3Length+int(v3))) + 2; n < bpduSize+v3+v4 || v4 < bpduSPBLength {
		w.invalid()
	}
}
