package cli

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/ladder"
	"github.com/pidwire/pidwire/internal/wire"
)

func (a *app) showCommand() *cobra.Command {
	var width int
	var in filesFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "show FILE... [CONN] [flags]",
		Short: "draw a connection of a recording as a ladder: process, socket and peer",
		Long: `show draws one connection of a recording: what the process, its socket and the peer did, what they said, and when.

  pidwire trace -w curl.pidwire -- curl http://localhost/
  pidwire show curl.pidwire            list the connections
  pidwire show curl.pidwire c1         draw one`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			n := uint64(0)
			files := args
			if len(args) > 0 && connName.MatchString(args[len(args)-1]) {
				files = args[:len(args)-1]
				if number, ok := strings.CutPrefix(args[len(args)-1], "c"); ok {
					n, _ = strconv.ParseUint(number, 10, 32)
				}
			}
			switch {
			case len(files) == 0:
				return usageError("show needs one or more files: pidwire show FILE lists the connections, pidwire show FILE c1 draws one")
			case len(files) == len(args):
				list := connsFlags{files: files, in: in, all: true}
				return a.connsOf(cmd.Context(), &list)
			case n == 0:
				return usageError("%s is not a connection: they are named c1, c2, ... (pidwire show %s lists them)", args[len(args)-1], strings.Join(files, " "))
			}
			conn := args[len(args)-1]
			if cmd.Flags().Changed("width") && width < 60 {
				return usageError("--width %d: must be at least 60", width)
			}
			o := ladder.Options{Conn: uint32(n), Width: width, ASCII: !unicodeLocale(), All: all}
			if f, isFile := a.stdout.(*os.File); isFile && width == 0 && term.IsTerminal(int(f.Fd())) {
				if w, _, err := term.GetSize(int(f.Fd())); err == nil {
					o.Width = max(60, min(w-1, 140))
				}
			}
			if a.outside() {
				return a.twoRooms(cmd.Context(), allowed{in: files})
			}
			var drawn *ladder.Sink
			res, err := a.replay(cmd.Context(), &in, files, func(cfg *pipeline.Config, h wire.Header) error {
				o.Start = int64(h.Wall)
				drawn = ladder.New(a.stdout, o)
				cfg.Sinks, cfg.Messages = []sink.Sink{drawn}, true
				return nil
			})
			if err != nil {
				return err
			}
			if res != nil && drawn.Seen() == 0 {
				return &exitError{code: exitNoTarget, err: fmt.Errorf("%s: no connection %s", strings.Join(files, ", "), conn),
					hint: []string{"list them with: pidwire show " + strings.Join(files, " ")}}
			}
			return nil
		},
	}
	in.add(cmd.Flags())
	cmd.Flags().BoolVarP(&all, "verbose", "v", false, "also calls that moved nothing, such as poll")
	cmd.Flags().IntVar(&width, "width", 0, "width of lines in columns (default: that of the terminal, else 96)")
	return cmd
}

// connName is the name of a connection in lines, or its number alone, which is no name.
var connName = regexp.MustCompile(`^c?[0-9]+$`)

// unicodeLocale reports whether the locale is UTF-8: the first variable that is set
// decides (locale(7)). If none is set, it depends on TERM.
func unicodeLocale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return os.Getenv("TERM") != "linux" && os.Getenv("TERM") != "dumb"
}
