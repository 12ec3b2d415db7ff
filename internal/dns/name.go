package dns

// Kinds of labels, in the two highest bits of their first byte.
const (
	kindMask     = 0xc0
	kindPointer  = 0xc0
	kindReserved = 0x80
	kindExtended = 0x40
	extendedBits = 1 // RFC 2673, obsolete
)

// maxJumps bounds the pointers that are followed in all names of a message.
const maxJumps = 10000

// Kind is a kind of label, or why a name ends before its root.
type Kind uint8

const (
	Text        Kind = iota // Len bytes at At
	Bits                    // a bit label: At has the number of bits (0: 256), the bits follow
	Root                    // the name has no labels
	BadType                 // a label of the type that is reserved
	BadExtended             // an extended label of another type than Bits; Len is that type
	BadPointer              // it does not refer to an earlier offset than the pointer before
	TooManyPointers
)

// Label is a part of a name. Its bytes may not have been captured.
type Label struct {
	Kind Kind
	At   int
	Len  int
}

// Name goes through the labels of a name. Pointers are followed.
type Name struct {
	m     Message
	Jumps int // pointers that were followed before, in other names of the message; counts on

	c       byte // first byte of the label, whose rest is n bytes at `at`
	at, n   int
	back    uint32 // a pointer must refer to an earlier offset
	end     int
	begun   bool
	pointed bool
	done    bool
	ok      bool
}

// NameAt returns the name at an offset.
func (m Message) NameAt(at int) Name { return Name{m: m, at: at} }

// End returns the offset after the name. ok is false if the name is damaged or was not captured
// as a whole, and before Next has returned false. If what was captured ends with the first byte of
// a label or of a pointer, ok is true, as for tcpdump, and the offset is beyond it.
func (n *Name) End() (at int, ok bool) {
	if !n.ok {
		return 0, false
	}
	return n.end, true
}

func (n *Name) stop(l Label) (Label, bool) {
	n.done = true
	return l, true
}

// Next returns the next label. more is false after the last one.
func (n *Name) Next() (l Label, more bool) {
	if n.done {
		return l, false
	}
	switch {
	case !n.begun:
		n.begun = true
		// It overflows if the name is before the header: then any pointer is accepted.
		n.back = uint32(n.at - n.m.At)
		if l, ok := n.read(n.at); !ok {
			return l, l.Kind != Text
		}
		if n.c&kindMask != kindPointer {
			n.end = n.at + n.n
		}
		if n.c == 0 {
			n.ok = true
			return n.stop(Label{Kind: Root})
		}
	default:
		if l, ok := n.read(n.at + n.n); !ok {
			return l, l.Kind != Text
		}
		if !n.pointed {
			n.end += n.n + 1
		}
	}
	for n.c != 0 && n.at < len(n.m.Bytes) {
		switch n.c & kindMask {
		case kindPointer:
			if l, ok := n.jump(); !ok {
				return l, l.Kind != Text
			}
		case kindExtended:
			return Label{Kind: Bits, At: n.at, Len: n.n}, true
		default:
			return Label{Kind: Text, At: n.at, Len: n.n}, true
		}
	}
	n.done = true
	n.ok = n.end != 0 // 0: the name is a pointer whose second byte was not captured
	return l, false
}

// read reads the first byte of the label at an offset. If ok is false the name ends here: l has
// the reason, or is of the kind Text if the label was not captured.
func (n *Name) read(at int) (l Label, ok bool) {
	n.done = true
	if !n.m.has(at, 1) {
		return l, false
	}
	n.c = n.m.Bytes[at]
	n.n = int(n.c)
	switch n.c & kindMask {
	case kindReserved:
		return Label{Kind: BadType, At: at}, false
	case kindExtended:
		if e := n.c &^ kindMask; e != extendedBits {
			return Label{Kind: BadExtended, At: at, Len: int(e)}, false
		}
		if !n.m.has(at+1, 1) {
			return l, false
		}
		n.n = bitBytes(n.m.Bytes[at+1]) + 1
	}
	n.at = at + 1
	n.done = false
	return l, true
}

// jump follows a pointer. The result is as that of read.
func (n *Name) jump() (l Label, ok bool) {
	if !n.pointed {
		n.pointed, n.end = true, n.at+1
	}
	to := uint32(n.c&^kindMask)<<8 | uint32(n.m.Bytes[n.at])
	if to >= n.back {
		n.done = true
		return Label{Kind: BadPointer, At: n.at - 1}, false
	}
	if n.Jumps++; n.Jumps > maxJumps {
		n.done = true
		return Label{Kind: TooManyPointers, At: n.at - 1}, false
	}
	n.back = to
	return n.read(n.m.At + int(to))
}

// bitBytes returns the size of a bit label with n bits, where 0 means 256.
func bitBytes(n uint8) int {
	if n == 0 {
		return 32
	}
	return (int(n) + 7) / 8
}

// SkipName returns the offset after the name at an offset.
func (m Message) SkipName(at int) (end int, ok bool) {
	for {
		if !m.has(at, 1) {
			return 0, false
		}
		c := int(m.Bytes[at])
		at++
		switch {
		case c == 0:
			return at, true
		case c&kindMask == kindPointer:
			return at + 1, true
		case c&kindMask == kindReserved:
			return 0, false
		case c&kindMask == kindExtended:
			if c&^kindMask != extendedBits || !m.has(at, 1) {
				return 0, false
			}
			at += 1 + bitBytes(m.Bytes[at])
		default:
			at += c
		}
	}
}
