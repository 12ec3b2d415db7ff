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
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// keyPrefix is the prefix of the keys of our rules.
const keyPrefix = "pidwire-"

// stateDir has a file for each run that has changed audit, so that a later run can clean
// up after a killed one. Like audit rules, it does not survive a boot.
var stateDir = "/run/pidwire"

// state identifies a run, and has the settings that it must restore.
type state struct {
	Key    string `json:"key"`
	PID    int    `json:"pid"`
	Start  string `json:"start"` // start time of the process, as in /proc/PID/stat
	Before Status `json:"before"`
	// Set holds the settings that this run has made, and those of other runs that ended before it. A
	// current setting that is equal to one of these is ours, and is restored.
	Set []Status `json:"set"`
}

// newKey returns a key for the rules of a run. It contains pid and start time of the process, so that a run
// that does not see our files, as in another mount namespace, can find out whether the rules are in use.
func newKey() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	pid := os.Getpid()
	return fmt.Sprintf("%s%s-%d-%s", keyPrefix, hex.EncodeToString(b[:]), pid, proc.StartOf(pid))
}

// keyAlive reports whether the process that a key identifies is alive.
func keyAlive(key string) bool {
	var random, start string
	var pid int
	fields := strings.Split(strings.TrimPrefix(key, keyPrefix), "-")
	if len(fields) != 3 {
		return false // from a version without pid and start time
	}
	random, start = fields[0], fields[2]
	if _, err := fmt.Sscanf(fields[1], "%d", &pid); err != nil || random == "" || start == "" {
		return false
	}
	return proc.StartOf(pid) == start
}

func (s *state) path() string { return filepath.Join(stateDir, "audit-"+s.Key+".json") }

// write writes the file atomically.
func (s *state) write() error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("saving the settings of audit: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp := s.path() + ".new"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return fmt.Errorf("saving the settings of audit: %w", err)
	}
	if err := os.Rename(temp, s.path()); err != nil {
		return fmt.Errorf("saving the settings of audit: %w", err)
	}
	return nil
}

func (s *state) remove() { _ = os.Remove(s.path()) }

// alive reports whether the process of the run is alive.
func (s *state) alive() bool {
	start := proc.StartOf(s.PID)
	return start != "" && start == s.Start
}

// states reads the files of all runs. It ignores files that cannot be read.
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

// Cleaned is the result of Clean.
type Cleaned struct {
	Rules    int  // number of removed rules
	Restored bool // enabled, backlog and wait have their previous values
}

// Clean removes the rules of runs that are not alive, and restores the settings that these
// have changed. It keeps all other rules.
func Clean() (Cleaned, error) {
	c, err := dial()
	if err != nil {
		return Cleaned{}, err
	}
	defer c.Close()
	return c.clean()
}

func (c control) clean() (done Cleaned, err error) {
	// First, as the kernel checks the privileges.
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
		if keyAlive(key) {
			alive[key] = true // we do not see its file, which is in another mount namespace
			continue
		}
		if err := c.deleteRule(&list[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			return done, fmt.Errorf("removing a rule with key %s: %w", key, err)
		}
		done.Rules++
	}
	for _, s := range gone {
		if len(alive) == 0 {
			if done.Restored, err = c.restore(s); err != nil {
				return done, err
			}
		}
		s.remove()
	}
	return done, nil
}

// daemon returns the pid of the audit daemon, or 0 if there is none. The kernel still reports a daemon that was
// killed until it has the next record for it.
func daemon(now Status) uint32 {
	if proc.StartOf(int(now.PID)) == "" {
		return 0
	}
	return now.PID
}

// restore restores the settings that a run has changed, except those that others have changed since. It
// does not disable audit if there is a daemon now, or rules that are not ours. It reports whether audit
// is in the same state as before the run.
func (c control) restore(s state) (back bool, err error) {
	now, err := c.status()
	if err != nil {
		return false, err
	}
	list, err := c.rules()
	if err != nil {
		return false, err
	}
	others := slices.ContainsFunc(list, func(r rule) bool { return !strings.HasPrefix(r.key(), keyPrefix) })
	if now.PID = daemon(now); int(now.PID) == s.PID {
		now.PID = 0 // the run itself
	}
	mask, want := s.toRestore(now, others)
	if mask != 0 {
		if err := c.set(mask, want); err != nil {
			return false, fmt.Errorf("restoring the settings of audit: %w", err)
		}
		if now, err = c.status(); err != nil {
			return false, err
		}
	}
	b := s.Before
	return now.Enabled == b.Enabled && now.Backlog == b.Backlog && now.BacklogWait == b.BacklogWait, nil
}

// toRestore returns the settings to restore. others means that there are rules that are not ours.
func (s *state) toRestore(now Status, others bool) (mask uint32, want Status) {
	if now.Enabled == 2 {
		return 0, want // locked until the next boot
	}
	ours := func(field func(Status) uint32) bool {
		return field(now) != field(s.Before) && slices.ContainsFunc(s.Set, func(set Status) bool { return field(set) == field(now) })
	}
	want = s.Before
	used := others || now.PID != 0
	if ours(func(x Status) uint32 { return x.Enabled }) && !(want.Enabled == 0 && used) {
		mask |= setEnabled
	}
	if ours(func(x Status) uint32 { return x.Backlog }) {
		mask |= setBacklog
	}
	if ours(func(x Status) uint32 { return x.BacklogWait }) {
		mask |= setBacklogWait
	}
	return mask, want
}

// bequeath adds the settings of this run to the files of other runs, the last of which restores them.
func (s *state) bequeath(others []state) error {
	for _, o := range others {
		o.Set = append(o.Set, s.Set...)
		if err := o.write(); err != nil {
			return err
		}
	}
	return nil
}

// again reads the state from its file, to which other runs may have added settings.
func (s *state) again() state {
	for _, o := range states() {
		if o.Key == s.Key {
			return o
		}
	}
	return *s
}

// othersAlive returns the states of other runs that are alive.
func (s *state) othersAlive() (list []state) {
	for _, o := range states() {
		if o.Key != s.Key && o.alive() {
			list = append(list, o)
		}
	}
	return list
}

// lockState takes a lock that prevents two runs from changing audit at the same time.
func lockState() (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("saving the settings of audit: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(stateDir, "audit.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("saving the settings of audit: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// Keys returns the keys of all rules in the kernel; empty for rules without one.
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
