package tcpdump

import (
	"net/netip"
	"strconv"
)

func appendUint(b []byte, v uint32) []byte { return strconv.AppendUint(b, uint64(v), 10) }

const digits = "0123456789abcdef"

func appendDigits(b []byte, v uint64, width int) []byte {
	n := 1
	for n < 16 && v>>(4*uint(n)) != 0 {
		n++
	}
	for i := max(n, width) - 1; i >= 0; i-- {
		b = append(b, digits[v>>(4*uint(i))&15])
	}
	return b
}

func append4(b, a []byte) []byte {
	b = appendOctet(b, a[0])
	b = append(b, '.')
	b = appendOctet(b, a[1])
	b = append(b, '.')
	b = appendOctet(b, a[2])
	b = append(b, '.')
	return appendOctet(b, a[3])
}

func appendOctet(b []byte, v byte) []byte {
	if v >= 100 {
		b = append(b, '0'+v/100)
	}
	if v >= 10 {
		b = append(b, '0'+v/10%10)
	}
	return append(b, '0'+v%10)
}

// append16 appends an IPv6 address like inet_ntop(3): ::1.2.3.4, which is ::102:304 in netip.
func append16(b []byte, a [16]byte) []byte {
	if [12]byte(a[:]) == [12]byte{} && (a[12] != 0 || a[13] != 0) {
		b = append(b, "::"...)
		return append4(b, a[12:])
	}
	return netip.AddrFrom16(a).AppendTo(b)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return append4(b, v[:])
	}
	if !a.IsValid() {
		return b
	}
	return append16(b, a.As16())
}
