package tail

import (
	"bytes"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Split reads the messages of one direction of a stream that end with a byte which is not in them. The zero Split is ready.
type Split struct {
	long Tail // a message whose end was not found yet
	lost bool // what follows may be in the middle of a message
}

// Busy reports whether what follows is the rest of a message.
func (s *Split) Busy() bool { return s.long.Open() || s.lost }

// Read reads a message that ends with one of the bytes in ends, and returns its size, 0 if there is no end. f makes it of what is
// before the end, at most the first most bytes; if it returns nil, there is none. The message is the answer to x.
func (s *Split) Read(c *proto.Conv, b []byte, ends string, most int, f func(b []byte, size int) (m *event.Message, x proto.Exchange)) int {
	if s.Busy() {
		i := bytes.IndexAny(b, ends)
		n := i + 1
		if i < 0 {
			n = len(b)
		}
		if s.long.Open() {
			if s.long.m.Bytes += int64(n); i >= 0 {
				s.long.Skipped(c)
			}
		}
		s.lost = s.lost && i < 0
		return n
	}
	i := bytes.IndexAny(b[:min(len(b), most)], ends)
	switch {
	case i >= 0:
		if m, x := f(b[:i], i+1); m != nil {
			c.Close(&x, m)
			c.Emit(m)
		}
		return i + 1
	case len(b) < most:
		return 0
	}
	if m, x := f(b[:most], most); m != nil {
		proto.Own(m)
		s.long = Tail{m, x, c.Here()}
	} else {
		s.lost = true
	}
	return most
}

// Lost says that n bytes are missing, 0 if their number is not known: an end may be in them.
func (s *Split) Lost(c *proto.Conv, n int64) {
	if s.long.Open() {
		s.long.m.Bytes += n
		s.long.Ended(c)
	}
	s.lost = true
}

// Ended emits a message that has no end.
func (s *Split) Ended(c *proto.Conv) { s.long.Ended(c) }

// Held is the memory of what is kept.
func (s *Split) Held() int { return s.long.Held() }
