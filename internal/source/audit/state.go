//go:build linux

package audit

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// keyPrefix begins the keys of our rules: who finds one knows whose it is.
const keyPrefix = "pidwire-"

// stateDir holds a file for each run that has changed audit, so that the next
// one can put right what was left behind. It is gone with the next boot, as
// rules are.
var stateDir = "/run/pidwire"

// state is what a run has to put back, and who it is.
type state struct {
	Key    string `json:"key"`
	PID    int    `json:"pid"`
	Start  string `json:"start"` // of the process, as /proc/PID/stat has it
	Before Status `json:"before"`
}

func newKey() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return keyPrefix + hex.EncodeToString(b[:])
}

func (s *state) path() string { return filepath.Join(stateDir, "audit-"+s.Key+".json") }

// write puts the file down in one piece.
func (s *state) write() error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("remembering how audit stood: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp := s.path() + ".new"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return fmt.Errorf("remembering how audit stood: %w", err)
	}
	if err := os.Rename(temp, s.path()); err != nil {
		return fmt.Errorf("remembering how audit stood: %w", err)
	}
	return nil
}

func (s *state) remove() { _ = os.Remove(s.path()) }

// alive reports whether the run is still there.
func (s *state) alive() bool {
	start := proc.StartOf(s.PID)
	return start != "" && start == s.Start
}

// states reads the files of all runs. One that cannot be read is of no run.
func states() (list []state) {
	names, _ := filepath.Glob(filepath.Join(stateDir, "audit-"+keyPrefix+"*.json"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		var s state
		if err != nil || json.Unmarshal(b, &s) != nil || filepath.Base(s.path()) != filepath.Base(name) {
			continue
		}
		list = append(list, s)
	}
	return list
}

// Cleaned is what Clean put right.
type Cleaned struct {
	Rules    int
	Restored bool // enabled, backlog and wait are as they were
}

// Clean removes the rules of runs that are gone, and puts back what they had
// changed. Rules of others, and of runs that are there, stay.
func Clean() (Cleaned, error) {
	c, err := dial()
	if err != nil {
		return Cleaned{}, err
	}
	defer c.Close()
	return c.clean()
}

func (c control) clean() (done Cleaned, err error) {
	// The kernel says best who may not do this.
	if _, err := c.status(); err != nil {
		return done, err
	}
	lock, err := lockState()
	if err != nil {
		return done, err
	}
	defer lock()
	alive := map[string]bool{}
	var gone []state
	for _, s := range states() {
		if s.alive() {
			alive[s.Key] = true
		} else {
			gone = append(gone, s)
		}
	}
	list, err := c.rules()
	if err != nil {
		return done, err
	}
	for i := range list {
		key := list[i].key()
		if !strings.HasPrefix(key, keyPrefix) || alive[key] {
			continue
		}
		if err := c.deleteRule(&list[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			return done, fmt.Errorf("removing a rule with key %s: %w", key, err)
		}
		done.Rules++
	}
	for _, s := range gone {
		if len(alive) == 0 {
			if err := c.restore(s.Before); err != nil {
				return done, err
			}
			done.Restored = true
		}
		s.remove()
	}
	return done, nil
}

// restore puts back what a run changes. Locked audit stays as it is.
func (c control) restore(before Status) error {
	now, err := c.status()
	if err != nil {
		return err
	}
	if now.Enabled == 2 {
		return nil
	}
	if err := c.set(setEnabled|setBacklog|setBacklogWait, before); err != nil {
		return fmt.Errorf("putting audit back as it was: %w", err)
	}
	return nil
}

// lockState keeps two runs from changing audit at once.
func lockState() (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("remembering how audit stood: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(stateDir, "audit.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("remembering how audit stood: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// Keys returns the keys of all rules that stand, empty for those without.
func Keys() ([]string, error) {
	c, err := dial()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	defer c.Close()
	list, err := c.rules()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = list[i].key()
	}
	return keys, nil
}
