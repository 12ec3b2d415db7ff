package dump

import "bytes"

// maxFlows is the maximum number of stored connections.
const maxFlows = 4096

// flowKey identifies a connection. The end with the lower port is first, or the one with the lower
// address if the ports are equal.
type flowKey struct {
	low, high [16]byte
	ports     uint32
	v6        bool
}

// flow has the base of the sequence numbers of a connection, by end; 0 is the low one.
type flow struct {
	key          flowKey
	base         [2]uint32
	next         [2]uint32 // next sequence number, if known
	begun        bool      // sequence numbers of tcpdump are relative to base
	fromSYN      bool      // base is from a SYN
	newer, older int32     // neighbours in LRU order; 0 is the head of the ring
}

// flows is an LRU cache of connections.
type flows struct {
	at   map[flowKey]int32
	list []flow // entry 0 is the head of the LRU ring
}

// find returns a connection, which it adds if necessary, and the end that is the sender.
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
		i = f.list[0].newer // the end of the ring: the least recently used
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

// link makes an entry the most recently used one.
func (f *flows) link(i int32) {
	e, ring := &f.list[i], &f.list[0]
	e.newer, e.older = 0, ring.older
	f.list[ring.older].newer = i
	ring.older = i
}
