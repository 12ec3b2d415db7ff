package tcpdump

// appendHex appends data like -x, with lead before each line.
func appendHex(b []byte, lead string, data []byte) []byte {
	for i := range data {
		if i%16 == 0 {
			b = appendOffset(b, lead, i)
		}
		if i%2 == 0 {
			b = append(b, ' ')
		}
		b = append(b, digits[data[i]>>4], digits[data[i]&15])
	}
	return b
}

// appendHexASCII appends data like -X.
func appendHexASCII(b []byte, lead string, data []byte) []byte {
	for at := 0; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		b = appendOffset(b, lead, at)
		for i, c := range line {
			if i%2 == 0 {
				b = append(b, ' ')
			}
			b = append(b, digits[c>>4], digits[c&15])
		}
		for n := len(line)*2 + (len(line)+1)/2; n < 40; n++ {
			b = append(b, ' ')
		}
		b = append(b, "  "...)
		for _, c := range line {
			if c <= ' ' || c > '~' {
				c = '.'
			}
			b = append(b, c)
		}
	}
	return b
}

func appendOffset(b []byte, lead string, at int) []byte {
	b = append(b, lead...)
	b = append(b, "0x"...)
	b = appendDigits(b, uint64(at), 4)
	return append(b, ": "...)
}

// appendASCII appends data like -A: it keeps newlines, and omits a carriage return before a
// newline.
func appendASCII(b, data []byte) []byte {
	b = append(b, '\n')
	for i, c := range data {
		switch {
		case c == '\r':
			if len(data)-i > 2 && data[i+1] != '\n' {
				b = append(b, '.')
			}
		case c == '\t' || c == '\n' || c >= ' ' && c <= '~':
			b = append(b, c)
		default:
			b = append(b, '.')
		}
	}
	return b
}

// unknown writes the captured part of n bytes at off in hex.
func (w *writer) unknown(off int, n uint32, lead string) {
	if w.cut || off > w.end {
		return
	}
	stop := w.end
	if w.has(off, n) {
		stop = off + int(n)
	}
	w.b = appendHex(w.b, lead, w.d[off:stop])
}
