// Package cli implements the command line: flags, the lists of sources and
// sinks, exit codes, and the text of errors and hints.
package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/docs"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/target"
	"github.com/pidwire/pidwire/internal/wire"
)

// Version is set when a release is built (-ldflags -X).
var Version = "0.1.0-dev"

// Exit codes.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitNoTarget  = 3
	exitPrivilege = 4
	exitDamaged   = 5
	exitProblems  = 10 // why has found some
	exitLost      = 11
	exitNotExec   = 126
	exitNotFound  = 127
)

// exitError is an error with an exit code and hints how to fix it.
type exitError struct {
	code int
	err  error
	hint []string // lines below the error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// app is the state of one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string        // without the program's name
	alone          bool            // there is no second process; see MainAlone
	code           int             // exit code if there is no error
	in             *inside         // connection to the collector, in the unprivileged process; else nil
	confined       bool            // that process has given up what reading and printing do not need
	inputs         []os.FileInfo   // the input files that this process has opened itself
	over           <-chan struct{} // when it is closed, reads of standard input as a file return io.EOF
}

// MainAlone is Main without a second process, for verbs that only read files. It is for tests: their program
// is not pidwire, and cannot be started as the unprivileged process.
func MainAlone(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(&app{stdin: stdin, stdout: stdout, stderr: stderr, alone: true}, args)
}

// Main runs the program and returns its exit code. args[0], the name of the program, selects which of the
// processes of a run this one is.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == shimName {
		return shim(args[1:], stderr)
	}
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	if len(args) > 0 && isRest(args[0]) {
		in, err := enter()
		if err != nil {
			return a.fail(nil, err)
		}
		a.in = in
	}
	return run(a, args)
}

func run(a *app, args []string) int {
	root := a.root()
	if len(args) > 0 {
		args = args[1:]
	}
	a.args = args
	root.SetArgs(verbFirst(root, strayTimes(args)))
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return a.code
	}
	return a.fail(cmd, err)
}

// fail prints an error with its hint, and returns the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if errors.Is(err, syscall.EPIPE) {
		return exitOK // the reader of our output has closed it
	}
	code := exitFailure
	var hint []string
	var ee *exitError
	switch {
	case errors.As(err, &ee):
		code, hint = ee.code, ee.hint
	case errors.Is(err, proc.ErrNoTarget):
		code = exitNoTarget
	case errors.Is(err, proc.ErrAmbiguous):
		code, hint = exitPrivilege, []string{"mount its own /proc there: mount -t proc proc /proc"}
	case errors.Is(err, target.ErrUsage):
		code = exitUsage
	case damaged(err):
		code = exitDamaged
	}
	// Arguments may be hostile too: names of files may come from archives.
	fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(strings.ReplaceAll(err.Error(), "\n", "; ")))
	for _, h := range hint {
		fmt.Fprintf(a.stderr, "  %s\n", clean.Text(h))
	}
	if code == exitUsage && cmd != nil {
		fmt.Fprintf(a.stderr, "  see: %s --help\n", cmd.CommandPath())
	}
	return code
}

func damaged(err error) bool {
	var d *wire.DamageError
	var n *wire.NewerError
	return errors.As(err, &d) || errors.As(err, &n) || errors.As(err, new(*compressedError)) || errors.Is(err, wire.ErrNotRecording)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pidwire [TARGET...] [flags]",
		Short: "shows what a process does on the network, and says why it is slow or failing",
		Long: `pidwire shows what a process does on the network, without stopping it.

  pidwire -- curl http://localhost:8080/     watch a command from its start
  pidwire 1234                               attach to a process and its children
  pidwire trace nginx -Z                     every failed call of all nginx processes
  pidwire trace @alice -w alice.pidwire      record the processes of a user
  pidwire trace 1234 -l sys,pkt              calls and packets on one timeline
  pidwire open alice.pidwire                 read a recording, without root, on any system

TARGET is a pid, a name ('py*'), @user, name@user, :port, unit:NAME, cgroup:/PATH,
container:ID, or all. Targets add up; children are followed.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version,
	}
	root.SetVersionTemplate("pidwire {{.Version}}\n")
	root.SetHelpCommand(a.helpCommand(root))
	root.AddCommand(a.liveCommands()...)
	root.AddCommand(a.connsCommand(), a.openCommand(), a.showCommand(), a.versionCommand())
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(cmd *cobra.Command, args []string) error {
		_ = cmd.Help()
		return &exitError{code: exitUsage, err: errors.New("no target given")}
	}
	return root
}

// helpCommand returns a help command like cobra's, except that an unknown topic is an error.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB | schema]", Short: "help for a command; schema: the JSON Schema of --json",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "schema" {
				_, err := a.stdout.Write(docs.Schema)
				return err
			}
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError("no help for %q", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}

// noArgs is a cobra.PositionalArgs that refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "pidwire %s (recording format %d)\n", Version, wire.WireVersion)
			return err
		},
	}
}

// verbFirst moves the verb before its flags. If there is no verb it inserts the
// default one, trace: pidwire 1234 is pidwire trace 1234.
func verbFirst(root *cobra.Command, args []string) []string {
	trace, _, err := root.Find([]string{"trace"})
	if err != nil || len(args) == 0 {
		return args
	}
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-h", a == "--help", a == "--version":
			return args
		case a == "--":
			return append([]string{"trace"}, args...)
		case strings.HasPrefix(a, "-"):
			if takesValue(trace, a) {
				i++ // the next argument is the value of the flag
			}
		case slices.Contains(verbs(root), a):
			return slices.Concat([]string{a}, args[:i], args[i+1:])
		default:
			return append([]string{"trace"}, args...)
		}
	}
	return append([]string{"trace"}, args...)
}

// takesValue reports whether the value of a flag is the next argument.
func takesValue(cmd *cobra.Command, arg string) bool {
	name, isLong := strings.CutPrefix(arg, "--")
	f := cmd.Flags().Lookup(name)
	if !isLong {
		// In a group of short flags, only the last may take a value.
		f = cmd.Flags().ShorthandLookup(arg[len(arg)-1:])
	}
	return f != nil && f.NoOptDefVal == "" && !strings.Contains(arg, "=")
}

// verbs returns the names of all subcommands, including those that cobra adds.
func verbs(root *cobra.Command) []string {
	names := []string{"help", "completion", "__complete", "__completeNoDesc"}
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// strayTimes translates strace's -t, -tt and -ttt, and -t STYLE, to --time=STYLE.
// -t takes the next argument as its value only if that is the name of a style.
func strayTimes(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(out, args[i:]...)
		}
		switch {
		case a == "-t" && i+1 < len(args) && slices.Contains(timeWords, args[i+1]):
			i++
			a = "--time=" + args[i]
		case a == "-t":
			a = "--time=abs"
		case a == "-tt":
			a = "--time=micro"
		case a == "-ttt":
			a = "--time=epoch"
		}
		out = append(out, a)
	}
	return out
}

// flagError adds a hint with the most similar flag to the error of an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	e := &exitError{code: exitUsage, err: err}
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		if n := nearestFlag(cmd, name); n != "" {
			e.hint = append(e.hint, "did you mean --"+n+"?")
		}
	}
	return e
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *flag) { names = append(names, f.Name) })
	return nearest(name, names)
}

// nearest returns the most similar of words, whose distance is at most a third of the length of word,
// or 1; or an empty string.
func nearest(word string, words []string) string {
	best, dist := "", max(len(word)/3, 1)+1
	for _, w := range words {
		if d := distance(word, w); d < dist {
			best, dist = w, d
		}
	}
	return best
}

// distance returns the number of insertions, deletions, changes and swaps of adjacent bytes between a and b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// untilOver reads from r. It returns io.EOF when over is closed, as a read from a pipe or a terminal may block forever.
type untilOver struct {
	r      io.Reader
	over   <-chan struct{} // may be nil
	result chan read       // result of the pending read; nil if none is pending
	read   read            // unread rest of the last result
	buf    []byte
}

type read struct {
	b   []byte
	err error
}

func (u *untilOver) Read(b []byte) (int, error) {
	for len(u.read.b) == 0 && u.read.err == nil {
		if u.result == nil {
			if u.buf == nil {
				u.buf = make([]byte, 64<<10)
			}
			u.result = make(chan read, 1)
			go func(result chan<- read) {
				n, err := u.r.Read(u.buf)
				result <- read{u.buf[:n], err}
			}(u.result)
		}
		select {
		case u.read = <-u.result:
			u.result = nil
		case <-u.over:
			return 0, io.EOF
		}
	}
	n := copy(b, u.read.b)
	if u.read.b = u.read.b[n:]; len(u.read.b) > 0 {
		return n, nil
	}
	err := u.read.err
	if err == nil || n == 0 {
		return n, err
	}
	return n, nil // the next call returns the error
}

// openFile opens a file for reading; - is standard input.
func (a *app) openFile(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(&untilOver{r: a.stdin, over: a.over}), nil
	}
	if a.in != nil {
		return a.in.open(name)
	}
	f, err := os.Open(name)
	if err == nil {
		if info, err := f.Stat(); err == nil {
			a.inputs = append(a.inputs, info)
		}
	}
	return f, inputError(err)
}

// sizeOf returns the size of a file of the command line; ok is false if it is not a regular file.
func (a *app) sizeOf(name string) (bytes int64, ok bool) {
	if a.in != nil {
		return a.in.size(name)
	}
	return regularSize(name)
}

func regularSize(name string) (bytes int64, ok bool) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// inputError adds the exit code to the error of a file that does not exist.
func inputError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{code: exitNoTarget, err: err}
	}
	return err
}
