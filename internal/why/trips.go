package why

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/event"
)

// trips are the round trips of a connection while data is under way: those of data that is acknowledged, and, where data
// arrives, those of timestamps that come back (RFC 7323).
type trips struct {
	end, stamp     uint32 // the end of the segment, and the timestamp, that are waited for
	endAt, stampAt int64  // when they were sent; 0: none is
	highest        uint32 // end of the data sent
	lastIn         int64
	least, most    int64
	sum            int64
	n              int
}

// mean returns the mean round trip, in ns.
func (r *trips) mean() int64 { return r.sum / int64(max(r.n, 1)) }

func (r *trips) took(ns int64) {
	if ns <= 0 {
		return
	}
	if r.n == 0 || ns < r.least {
		r.least = ns
	}
	r.most = max(r.most, ns)
	r.sum += ns
	r.n++
}

// segment takes a segment without SYN and RST.
func (r *trips) segment(e *event.Entry, t *event.TCPHeader, out bool) {
	val, echo, stamped := timestamps(t.Options)
	if out {
		end := t.Seq + t.Length
		if t.Length > 0 {
			if again := r.highest != 0 && int32(end-r.highest) <= 0; again {
				r.endAt = 0 // its acknowledgment may be of either (Karn)
			} else {
				r.highest = end
				if r.endAt == 0 {
					r.end, r.endAt = end, e.Time
				}
			}
		}
		if stamped && r.stampAt == 0 {
			r.stamp, r.stampAt = val, e.Time
		}
		return
	}
	if r.endAt != 0 && t.Flags&event.TCPAck != 0 && int32(t.Ack-r.end) >= 0 {
		r.took(e.Time - r.endAt)
		r.endAt = 0
	}
	if t.Length == 0 {
		return
	}
	if stamped && r.stampAt != 0 && int32(echo-r.stamp) >= 0 {
		// A peer that had nothing to send has not answered at once. One that sends all the time has.
		if took := e.Time - r.stampAt; r.lastIn != 0 && e.Time-r.lastIn < took/4 {
			r.took(took)
		}
		r.stampAt = 0
	}
	r.lastIn = e.Time
}

// timestamps returns the timestamps among the options of a segment (RFC 7323, 3.2).
func timestamps(o []byte) (val, echo uint32, ok bool) {
	for len(o) > 0 {
		switch {
		case o[0] == 0:
			return 0, 0, false
		case o[0] == 1:
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return 0, 0, false
		case o[0] == 8 && o[1] == 10:
			return binary.BigEndian.Uint32(o[2:]), binary.BigEndian.Uint32(o[6:]), true
		default:
			o = o[o[1]:]
		}
	}
	return 0, 0, false
}
