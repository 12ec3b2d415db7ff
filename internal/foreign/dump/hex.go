package dump

import "encoding/binary"

const (
	// maxDump bounds a dump: the longest packet, and a link header.
	maxDump = most16 + ip6Size + 64
	// rowSize is the number of bytes in a line of a dump; only the last one has less.
	rowSize = 16
)

// linkSizes are the sizes of what can be before the IP header: nothing (-x, -X), Ethernet, Linux "any" in its two versions, VLANs, BSD
// loopback, PPPoE.
var linkSizes = [...]int{0, 14, 16, 20, 18, 22, 4, 12}

// Hex collects the lines that -x, -X, -xx and -XX print below a packet, and finds the payload in them. The zero value is ready to
// use; it takes up to 192 KiB.
type Hex struct {
	b    []byte // from the first byte on, up to what is missing
	over bool   // a line is missing, or cannot be read: what follows is not used
	out  []byte // what Fill returned
}

// Start begins with the next packet.
func (h *Hex) Start() { h.b, h.over = h.b[:0], false }

// Add takes a line. It reports whether it is one of a dump, and does not keep it.
func (h *Hex) Add(line []byte) bool {
	var row [rowSize]byte
	off, n, whole := readRow(line, &row)
	switch {
	case off < 0:
		return false
	case off == 0 && len(h.b) > 0:
		h.b, h.over = h.b[:0], true // two dumps: one of them is something else
	case h.over:
	case off != len(h.b) || off%rowSize != 0 || len(h.b)+n > maxDump:
		h.over = true
	default:
		h.b = append(h.b, row[:n]...)
		h.over = !whole
	}
	return true
}

// IsHex reports whether a line is one of a dump.
func IsHex(line []byte) bool {
	var row [rowSize]byte
	off, _, _ := readRow(line, &row)
	return off >= 0
}

// readRow reads "0x0010:  4500 0034 ..." after blanks, with or without the same in ASCII after two blanks. off is -1 if it is something
// else; whole is false if not all of it can be read.
func readRow(line []byte, row *[rowSize]byte) (off, n int, whole bool) {
	t := text(line)
	blanks := 0
	for len(t) > 0 && (t[0] == ' ' || t[0] == '\t') {
		t = t[1:]
		blanks++
	}
	if blanks == 0 || !t.skip("0x") {
		return -1, 0, false
	}
	digits := len(t)
	v, ok := t.hex()
	if digits -= len(t); !ok || digits < 4 || digits > 5 || !t.skip(": ") {
		return -1, 0, false
	}
	for n < rowSize && len(t) > 1 && t[0] == ' ' && t[1] != ' ' {
		t = t[1:]
		got := t.octets(row[n:min(n+2, rowSize)])
		n += got
		if got < 2 {
			if got == 1 && !ends(t) {
				n-- // it is not the last byte of an odd number: it may be damaged as what is after it
			}
			return int(v), n, got == 1 && ends(t)
		}
		if len(t) > 0 && t[0] != ' ' {
			return int(v), n - 2, false
		}
	}
	return int(v), n, n > 0 && ends(t)
}

// ends reports whether the bytes of a line end: there is nothing more, or two blanks before the ASCII.
func ends(t text) bool { return len(t) == 0 || t[0] == ' ' && (len(t) == 1 || t[1] == ' ') }

// Fill adds the payload in the dump to l, the packet of TCP or UDP that r has read before the lines of the dump. It reports
// whether there is any. A dump whose addresses, ports, flags or lengths are not those of the line is of another packet. The headers remain
// those of the line, which is relative to others; where it has none (-q), they are those of the dump. l.Data is then valid
// until the next Fill.
func (h *Hex) Fill(r *Reader, l *Line) bool {
	if len(h.b) == 0 || l.Kind != Packet {
		return false
	}
	for _, k := range linkSizes {
		if k < len(h.b) && h.fill(r, l, h.b[k:]) {
			return true
		}
	}
	return false
}

// fill is Fill for the bytes from the IP header on.
func (h *Hex) fill(r *Reader, l *Line, b []byte) bool {
	made := l.Data
	size, total, ok := sameIP(r, made, b)
	if !ok || len(b) < size+udpSize || string(made[ipSize(made):][:4]) != string(b[size:size+4]) {
		return false
	}
	if total > len(b) {
		total = len(b) // it is cut
	}
	whole := ipTotal(b)
	t := b[size:]
	head := udpSize
	if tcp := proto(made) == protoTCP; tcp {
		if len(t) < tcpSize {
			return false
		}
		if head = int(t[12]>>4) * 4; head < tcpSize {
			return false
		}
	} else if n := int(binary.BigEndian.Uint16(t[4:])); n >= udpSize && size+n <= whole {
		whole = size + n
		total = min(total, whole)
	} else {
		return false
	}
	payload := whole - size - head
	if payload < 0 || size+head > total {
		return false
	}
	at, header, ok := sameTransport(l, made, t, payload)
	if n := at + len(header) + payload; !ok || n > most16 {
		return false
	}
	h.out = append(append(append(h.out[:0], made[:at]...), header...), b[size+head:total]...)
	l.Data, l.Len = h.out, uint32(at+len(header)+payload)
	l.Unknown &^= Length
	if len(header) > 0 {
		l.Unknown &^= TCPRest | Seq | Sum
	}
	setLength(h.out, int(l.Len))
	return true
}

const udpSize = 8

func proto(ip []byte) byte {
	if ip[0]>>4 == 6 {
		return ip[6]
	}
	return ip[9]
}

// ipSize returns the size of a header that a Reader has made.
func ipSize(made []byte) int {
	if made[0]>>4 == 6 {
		return ip6Size
	}
	return ip4Size
}

// ipTotal returns the length that an IP header has.
func ipTotal(b []byte) int {
	if b[0]>>4 == 6 {
		return ip6Size + int(binary.BigEndian.Uint16(b[4:]))
	}
	return int(binary.BigEndian.Uint16(b[2:]))
}

// sameIP reports whether b begins with the IP header of a packet that is not a fragment, with the version, protocol and addresses
// that were made of the line, except addresses that were made up for names. It returns the size of that header, and of the packet.
func sameIP(r *Reader, made, b []byte) (size, total int, ok bool) {
	own := ipSize(made)
	if len(made) < own+4 || len(b) < own || made[0]>>4 != b[0]>>4 || proto(made) != proto(b) || proto(made) != protoTCP && proto(made) != protoUDP {
		return 0, 0, false
	}
	v6 := own == ip6Size
	from, n, size := 12, 4, int(b[0]&15)*4
	if v6 {
		from, n, size = 8, 16, ip6Size
	} else if size < ip4Size || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 || binary.BigEndian.Uint16(made[6:])&0x3fff != 0 {
		return 0, 0, false
	}
	for range 2 {
		var a [16]byte
		copy(a[:], made[from:from+n])
		if string(a[:n]) != string(b[from:from+n]) && r.names.name(a, v6) == "" {
			return 0, 0, false
		}
		from += n
	}
	total = ipTotal(b)
	return size, total, total >= size+udpSize
}

// sameTransport reports whether t begins with the header that was made of the line, as far as it has it, before a payload of that
// length. It returns how much of what was made is kept, and what of t comes after it.
func sameTransport(l *Line, made, t []byte, payload int) (at int, header []byte, ok bool) {
	at = ipSize(made)
	m := made[at:]
	known := l.Unknown&Length == 0
	switch {
	case proto(made) == protoTCP && l.Unknown&TCPRest != 0:
		header = t[:int(t[12]>>4)*4]
		// Without -v the length was counted with a header without options.
		n := int(l.Len) - at
		return at, header, !known || n == tcpSize+payload || n == len(header)+payload
	case proto(made) == protoTCP:
		if len(m) < tcpSize || len(m) != int(m[12]>>4)*4 {
			return 0, nil, false
		}
		if m[12]&1 != t[12]&1 || m[13] != t[13] || string(m[14:16]) != string(t[14:16]) || l.Unknown&Sum == 0 && string(m[16:18]) != string(t[16:18]) {
			return 0, nil, false
		}
	case len(m) < udpSize:
		return at, t[:udpSize], !known || int(l.Len)-at-udpSize == payload
	case len(m) != udpSize || known && string(m[4:6]) != string(t[4:6]):
		return 0, nil, false
	}
	at += len(m)
	return at, nil, !known || int(l.Len)-at == payload
}

// setLength sets the length in an IP header, and its checksum.
func setLength(b []byte, n int) {
	be := binary.BigEndian
	if b[0]>>4 == 6 {
		be.PutUint16(b[4:], uint16(n-ip6Size))
		return
	}
	be.PutUint16(b[2:], uint16(n))
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], ^sum(b[:ip4Size]))
}
