package sandbox

import (
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// TestNames checks that every name is a system call of amd64 or arm64: a misspelt one would be ignored
// silently.
func TestNames(t *testing.T) {
	for _, name := range slices.Concat(always, resolving, collecting) {
		found := false
		for _, a := range []string{"amd64", "arm64"} {
			info, err := arch.GetInfo(a)
			if err != nil {
				t.Fatal(err)
			}
			_, ok := info.SyscallNames[name]
			found = found || ok
		}
		if !found {
			t.Errorf("no system call %s", name)
		}
	}
}

// TestPolicies checks that the filters can be assembled for this machine, and their lengths: the kernel
// accepts 4,096 instructions.
func TestPolicies(t *testing.T) {
	for name, f := range map[string]struct {
		names []string
		when  []conditional
	}{
		"rest": {always, restConditions(false)}, "resolving": {slices.Concat(always, resolving), restConditions(true)},
		"collector": {slices.Concat(always, collecting), collectorConditions()},
	} {
		p, err := policyOf(f.names, f.when)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		code, err := p.Assemble()
		if err != nil || len(code) < 50 || len(code) > 1000 {
			t.Errorf("%s: %d instructions, %v", name, len(code), err)
		}
	}
}

// TestCaller checks which user is taken from the environment variables of sudo, doas and pkexec.
func TestCaller(t *testing.T) {
	for _, name := range []string{"SUDO_UID", "SUDO_GID", "PKEXEC_UID", "DOAS_USER"} {
		t.Setenv(name, "")
	}
	if id := Caller(); id.Why == "" {
		t.Errorf("%+v: nobody says why", id)
	}
	t.Setenv("SUDO_UID", "123456")
	t.Setenv("SUDO_GID", "654321")
	id := Caller()
	if id.Why == "who called" {
		return // not root: SUDO_UID is not used
	}
	if id.UID != 123456 || id.GID != 654321 || id.Why != "caller of sudo" {
		t.Errorf("%+v", id)
	}
	for _, forged := range []string{"0", "-1", "root", "99999999999", "1 2"} {
		t.Setenv("SUDO_UID", forged)
		if id := Caller(); id.UID == 0 || id.Why == "caller of sudo" {
			t.Errorf("SUDO_UID=%s: %+v", forged, id)
		}
	}
}
