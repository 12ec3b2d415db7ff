package rotate

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestStrftime compares every conversion with date(1), which uses strftime.
func TestStrftime(t *testing.T) {
	if out, err := exec.Command("date", "--version").Output(); err != nil || !strings.Contains(string(out), "GNU") {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatalf("PIDWIRE_MUST is set, and there is no date of GNU: %v", err)
		}
		t.Skip("no date of GNU")
	}
	const letters = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%"
	var template, layout []string
	for _, c := range letters {
		template = append(template, "%"+string(c))
		layout = append(layout, string(c)+"=%"+string(c))
	}
	all := strings.Join(layout, ";")
	for _, unix := range []int64{
		0, 951782399, 951782400, 1104537600, 1136073600, 1230768000, 1262304000, 1700000000, 1704067199, 1704067200, 1709164800,
		1735603200, 1798675200, 4102444800,
	} {
		cmd := exec.Command("date", "-d", fmt.Sprintf("@%d", unix), "+"+all)
		cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSuffix(string(out), "\n"), ";")
		for i, got := range strings.Split(strftime(all, time.Unix(unix, 0).UTC()), ";") {
			if got != want[i] {
				t.Errorf("%d %s: %q, date says %q", unix, template[i], got, want[i])
			}
		}
	}
	if got := strftime("100%", time.Unix(0, 0)) + strftime("%Q%", time.Unix(0, 0)); got != "100%%Q%" {
		t.Errorf("what is no conversion reads %q", got)
	}
}
