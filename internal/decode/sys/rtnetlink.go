package sys

import "github.com/pidwire/pidwire/internal/event"

// bodyField is a field of the struct at the start of an rtnetlink message.
type bodyField struct {
	name string
	off  int
	size int
	show func(d *Decoder, f string, v uint64)
}

// body describes messages that are a struct followed by attributes.
type body struct {
	size   int
	fields []bodyField
	attrs  *attrSet
}

func fieldDec(d *Decoder, f string, v uint64)   { d.uint(f, v) }
func fieldHex(d *Decoder, f string, v uint64)   { d.hex(f, v) }
func fieldIface(d *Decoder, f string, v uint64) { d.ifindex(f, v) }

func fieldSym(t *event.Table) func(*Decoder, string, uint64) {
	return func(d *Decoder, f string, v uint64) { d.sym(f, v, t) }
}

func fieldFlags(t *event.Table) func(*Decoder, string, uint64) {
	return func(d *Decoder, f string, v uint64) { d.flags(f, v, t) }
}

// bodyOf returns the body of a message type (linux/rtnetlink.h), nil if only the family is
// known.
func bodyOf(kind uint64) *body {
	switch kind {
	case 16, 17, 18, 19, 108, 109, 110: // RTM_*LINK, RTM_*LINKPROP
		return &linkBody
	case 20, 21, 22, 58, 62: // RTM_*ADDR, RTM_GETMULTICAST, RTM_GETANYCAST
		return &addrBody
	case 24, 25, 26: // RTM_*ROUTE
		return &routeBody
	case 28, 29, 30: // RTM_*NEIGH
		return &neighBody
	case 32, 33, 34: // RTM_*RULE
		return &ruleBody
	}
	return nil
}

func (d *Decoder) rtnetlink(kind uint64, b []byte, full uint64) {
	s := bodyOf(kind)
	if s == nil {
		d.open(event.TStruct, "")
		d.sym("family", u8(b, 0), families)
		if full > 1 {
			d.nlbytes("data", b[1:], full-1)
		}
		d.end()
		return
	}
	d.open(event.TStruct, "")
	for i := range s.fields {
		f := &s.fields[i]
		if f.off+f.size > len(b) || i > 0 && len(b) < s.size {
			d.more()
			break
		}
		var v uint64
		switch f.size {
		case 1:
			v = u8(b, f.off)
		case 2:
			v = u16(b, f.off)
		case 4:
			v = u32(b, f.off)
		}
		f.show(d, f.name, v)
	}
	d.end()
	at := (s.size + 3) &^ 3
	if full > uint64(at) {
		d.attrs(b[min(at, len(b)):], full-uint64(at), u8(b, 0), s.attrs)
	}
}

var linkBody = body{16, []bodyField{
	{"ifi_family", 0, 1, fieldSym(families)},
	{"ifi_type", 2, 2, fieldSym(arpHards)},
	{"ifi_index", 4, 4, fieldIface},
	{"ifi_flags", 8, 4, fieldFlags(ifFlagBits)},
	{"ifi_change", 12, 4, fieldHex},
}, linkAttrs}

var addrBody = body{8, []bodyField{
	{"ifa_family", 0, 1, fieldSym(families)},
	{"ifa_prefixlen", 1, 1, fieldDec},
	{"ifa_flags", 2, 1, fieldFlags(addrFlags)},
	{"ifa_scope", 3, 1, fieldSym(routeScopes)},
	{"ifa_index", 4, 4, fieldIface},
}, addrAttrs}

var routeBody = body{12, []bodyField{
	{"rtm_family", 0, 1, fieldSym(families)},
	{"rtm_dst_len", 1, 1, fieldDec},
	{"rtm_src_len", 2, 1, fieldDec},
	{"rtm_tos", 3, 1, fieldHex},
	{"rtm_table", 4, 1, fieldSym(routeTables)},
	{"rtm_protocol", 5, 1, fieldSym(routeProtos)},
	{"rtm_scope", 6, 1, fieldSym(routeScopes)},
	{"rtm_type", 7, 1, fieldSym(routeTypes)},
	{"rtm_flags", 8, 4, fieldFlags(routeFlags)},
}, routeAttrs}

var neighBody = body{12, []bodyField{
	{"ndm_family", 0, 1, fieldSym(families)},
	{"ndm_ifindex", 4, 4, fieldIface},
	{"ndm_state", 8, 2, fieldFlags(neighStates)},
	{"ndm_flags", 10, 1, fieldFlags(neighFlags)},
	{"ndm_type", 11, 1, fieldSym(routeTypes)},
}, neighAttrs}

var ruleBody = body{12, []bodyField{
	{"family", 0, 1, fieldSym(families)},
	{"dst_len", 1, 1, fieldDec},
	{"src_len", 2, 1, fieldDec},
	{"tos", 3, 1, fieldHex},
	{"table", 4, 1, fieldSym(routeTables)},
	{"action", 7, 1, fieldSym(ruleActions)},
	{"flags", 8, 4, fieldFlags(ruleFlags)},
}, ruleAttrs}

// Decoders of attributes, by attribute type.

var linkAttrs = &attrSet{iflaNames, []attrKind{
	1: attrMAC, 2: attrMAC, 3: attrStr, 4: attrU32, 5: attrIface, 6: attrStr, 7: linkStats, 10: attrIface, 13: attrU32, 15: attrU32,
	16: attrU8, 17: attrU8, 18: attrNested(linkInfo), 19: attrU32, 20: attrStr, 21: attrU32, 23: linkStats64, 27: attrU32, 28: attrU32,
	29: attrFlags32(linkExtMask), 30: attrU32, 31: attrU32, 32: attrU32, 33: attrU8, 35: attrU32, 37: attrS32, 38: attrStr, 39: attrU8,
	40: attrU32, 41: attrU32, 44: attrU32, 45: attrS32, 46: attrS32, 47: attrU32, 48: attrU32, 49: attrIface, 50: attrU32, 51: attrU32,
	53: attrStr, 54: attrMAC, 56: attrStr, 57: attrStr, 58: attrU32, 59: attrU32, 60: attrU32, 61: attrU32, 63: attrU32, 64: attrU32, 67: attrU8, 68: attrU16,
}}

var linkInfo = &attrSet{iflaInfoNames, []attrKind{1: attrStr, 4: attrStr}}

var statNames = []string{
	"rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "multicast", "collisions",
	"rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors", "tx_aborted_errors",
	"tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors", "rx_compressed", "tx_compressed", "rx_nohandler",
	"rx_otherhost_dropped",
}

var (
	linkStats   = attrWords(4, 23, statNames...)
	linkStats64 = attrWords(8, 23, statNames...)
)

var addrAttrs = &attrSet{ifaNames, []attrKind{
	1: attrIP, 2: attrIP, 3: attrStr, 4: attrIP, 5: attrIP, 6: attrWords(4, 4, "ifa_prefered", "ifa_valid", "cstamp", "tstamp"),
	7: attrIP, 8: attrFlags32(addrFlags), 9: attrU32, 10: attrS32, 11: attrU8,
}}

var routeAttrs = &attrSet{rtaNames, []attrKind{
	1: attrIP, 2: attrIP, 3: attrIface, 4: attrIface, 5: attrIP, 6: attrU32, 7: attrIP, 8: attrNested(routeMetrics), 9: nil, 11: attrU32,
	12: attrWords(4, 8, "rta_clntref", "rta_lastuse", "rta_expires", "rta_error", "rta_used", "rta_id", "rta_ts", "rta_tsage"),
	15: attrSym32(routeTables), 16: attrU32, 19: attrIP, 20: attrU8, 21: attrU16, 23: attrU32, 25: attrU32, 26: attrU8, 27: attrSym8(ipProtos),
	28: attrPort, 29: attrPort, 30: attrU32,
}}

// The initialization would be a cycle: next hops of a route have attributes of routes.
func init() { routeAttrs.kinds[9] = attrMultipath }

const rtnhSize = 8 // sizeof(struct rtnexthop)

// attrMultipath decodes next hops. It prints several ones as an array.
func attrMultipath(d *Decoder, family uint64, b []byte) bool {
	if len(b) < rtnhSize {
		return false
	}
	next := func() int { return int((u16(b, 0) + 3) &^ 3) }
	goesOn := func() bool { return next() > 0 && len(b)-next() >= rtnhSize && !d.spent() }
	if !goesOn() {
		d.nexthop(b, family)
		return true
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for {
		d.nexthop(b, family)
		if !goesOn() {
			break
		}
		b = b[next():]
	}
	d.end()
	return true
}

// nexthop decodes struct rtnexthop and its attributes.
func (d *Decoder) nexthop(b []byte, family uint64) {
	n := min(u16(b, 0), uint64(len(b)))
	if n > rtnhSize {
		d.open(event.TArray, "")
	}
	d.open(event.TStruct, "")
	d.uint("rtnh_len", u16(b, 0))
	d.flags("rtnh_flags", u8(b, 2), nexthopFlags)
	d.uint("rtnh_hops", u8(b, 3))
	d.ifindex("rtnh_ifindex", u32(b, 4))
	d.end()
	if n > rtnhSize {
		d.attrs(b[rtnhSize:n], n-rtnhSize, family, routeAttrs)
		d.end()
	}
}

var routeMetrics = &attrSet{rtaxNames, []attrKind{
	1: attrU32, 2: attrU32, 3: attrU32, 4: attrU32, 5: attrU32, 6: attrU32, 7: attrU32, 8: attrU32, 9: attrU32, 10: attrU32, 11: attrU32,
	12: attrX32, 13: attrU32, 14: attrU32, 15: attrU32, 16: attrStr, 17: attrU32,
}}

var neighAttrs = &attrSet{ndaNames, []attrKind{
	1: attrIP, 2: attrMAC, 3: attrWords(4, 4, "ndm_confirmed", "ndm_used", "ndm_updated", "ndm_refcnt"), 4: attrU32, 5: attrU16, 6: attrPort,
	7: attrU32, 8: attrIface, 9: attrIface, 10: attrS32, 12: attrSym8(routeProtos), 13: attrU32,
}}

var ruleAttrs = &attrSet{fraNames, []attrKind{
	1: attrIP, 2: attrIP, 3: attrStr, 4: attrU32, 6: attrU32, 10: attrU32, 11: attrU32, 13: attrU32, 14: attrU32, 15: attrSym32(routeTables),
	16: attrU32, 17: attrStr, 19: attrU8, 21: attrSym8(routeProtos), 22: attrSym8(ipProtos),
}}
