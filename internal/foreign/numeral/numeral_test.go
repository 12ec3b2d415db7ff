package numeral

import (
	"math"
	"strconv"
	"testing"
)

// TestNumbers compares each parser with strconv, for valid and invalid input.
func TestNumbers(t *testing.T) {
	for _, s := range []string{"", "0", "7", "007", "8", "9", "10", "18446744073709551615", "18446744073709551616", "99999999999999999999", "000000000000000000001",
		"ffffffffffffffff", "fffffffffffffffff", "A0b", "1777777777777777777777", "2000000000000000000000", "-1", "+1", "1 ", "0x1", "g", "\xff", "1_0"} {
		want, err := strconv.ParseUint(s, 10, 64)
		plain := err == nil && len(s) <= 20 && s[0] != '+'
		if n, ok := Decimal([]byte(s), math.MaxUint64); ok != plain || ok && n != want {
			t.Errorf("%q: %d %v, strconv %d %v", s, n, ok, want, err)
		}
		if n, ok := Decimal([]byte(s), 9); ok != (plain && want <= 9) || ok && n != want {
			t.Errorf("%q up to 9: %d %v", s, n, ok)
		}
		want, err = strconv.ParseUint(s, 16, 64)
		if n, ok := Hex([]byte(s)); ok != (err == nil && len(s) <= 16) || ok && n != want {
			t.Errorf("%q: hex %x %v, strconv %x %v", s, n, ok, want, err)
		}
		want, err = strconv.ParseUint(s, 8, 64)
		if n, ok := Octal([]byte(s)); ok != (err == nil || s == "") || ok && n != want {
			t.Errorf("%q: octal %o %v, strconv %o %v", s, n, ok, want, err)
		}
	}
}
