package notation

import "strconv"

// AppendDuration appends ns in a unit that leaves one to three digits before the decimal point:
// 800ns, 9us, 1.23ms, 5.005s.
func AppendDuration(b []byte, ns int64) []byte {
	switch {
	case ns < 0:
		return append(b, '?')
	case ns < 1000:
		b = strconv.AppendInt(b, ns, 10)
		return append(b, "ns"...)
	case ns < 999_500: // 1000us after rounding is printed as 1.00ms
		b = strconv.AppendInt(b, (ns+500)/1000, 10)
		return append(b, "us"...)
	case ns < 999_995_000:
		b = strconv.AppendFloat(b, float64(ns)/1e6, 'f', 2, 64)
		return append(b, "ms"...)
	}
	b = strconv.AppendFloat(b, float64(ns)/1e9, 'f', 3, 64)
	return append(b, 's')
}
