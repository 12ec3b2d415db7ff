package ldap

import "github.com/pidwire/pidwire/internal/proto/bin"

// element reads the tag and the length of an element (ITU-T X.690), and its contents or those of them that are there.
func element(r *bin.Reader) (tag byte, b []byte) {
	tag = r.U8()
	n := length(r)
	if r.Short {
		return 0, nil
	}
	return tag, r.Some(n)
}

// length reads the length of an element.
func length(r *bin.Reader) int {
	first := r.U8()
	if first < 0x80 {
		return int(first)
	}
	n := 0
	const most = 4
	if first &= 0x7f; first == 0 || first > most {
		r.Short = true
		return 0
	}
	for range first {
		n = n<<8 | int(r.U8())
	}
	return n
}

// size returns the size of an element with its header, and that of the header; 0 if it is not complete, -1 if it is none.
func size(b []byte) (total, header int) {
	if len(b) < 2 {
		return 0, 0
	}
	header = 2
	if b[1] >= 0x80 {
		header += int(b[1] & 0x7f)
		if header == 2 || header > 6 {
			return 0, -1
		}
	}
	if len(b) < header {
		return 0, 0
	}
	n := length(bin.Of(b[1:header]))
	if n < 5 || n > maxSize {
		return 0, -1
	}
	return header + n, header
}

// integer returns the value of an integer.
func integer(b []byte) (n int64, ok bool) {
	if len(b) < 1 || len(b) > 4 || b[0]&0x80 != 0 {
		return 0, false
	}
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n, true
}
