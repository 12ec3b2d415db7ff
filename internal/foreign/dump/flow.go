package dump

import "bytes"

// maxFlows is how many connections are remembered.
const maxFlows = 4096

// flowKey is a connection, the end with the lower port first, and the lower
// address where the ports are equal.
type flowKey struct {
	low, high [16]byte
	ports     uint32
	v6        bool
}

// flow is what a connection's numbers count from, by end: 0 the low one.
type flow struct {
	key          flowKey
	base         [2]uint32
	next         [2]uint32 // the number that comes next, as far as is known
	begun        bool      // tcpdump counts from base
	fromSYN      bool      // and base was in a SYN
	newer, older int32     // neighbours by use; the most and the least lately used one have the entry 0 there
}

// flows are the connections that were used last.
type flows struct {
	at   map[flowKey]int32
	list []flow // entry 0 ties the ring of neighbours
}

// find returns the connection, made anew if it is not remembered, and which of
// its ends the sender is.
func (f *flows) find(src, dst [16]byte, from, to uint16, v6 bool) (*flow, int) {
	mine := 0
	if from > to || from == to && bytes.Compare(src[:], dst[:]) > 0 {
		mine, src, dst, from, to = 1, dst, src, to, from
	}
	k := flowKey{src, dst, uint32(from)<<16 | uint32(to), v6}
	i, ok := f.at[k]
	switch {
	case ok:
		f.unlink(i)
	case f.at == nil:
		f.at = map[flowKey]int32{}
		f.list = make([]flow, 1, 16)
		fallthrough
	case len(f.list) <= maxFlows:
		i = int32(len(f.list))
		f.list = append(f.list, flow{key: k})
		f.at[k] = i
	default:
		i = f.list[0].newer // the ring's end: the least lately used
		f.unlink(i)
		delete(f.at, f.list[i].key)
		f.list[i] = flow{key: k}
		f.at[k] = i
	}
	f.link(i)
	return &f.list[i], mine
}

func (f *flows) unlink(i int32) {
	e := &f.list[i]
	f.list[e.newer].older, f.list[e.older].newer = e.older, e.newer
}

// link makes an entry the most lately used one.
func (f *flows) link(i int32) {
	e, ring := &f.list[i], &f.list[0]
	e.newer, e.older = 0, ring.older
	f.list[ring.older].newer = i
	ring.older = i
}
