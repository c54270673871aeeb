//go:build e2e

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a snippet of a page in a language.
type block struct{ language, text string }

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// clientPage returns the snippets of a page of docs/clients.
func clientPage(t *testing.T, name string) (text string, blocks []block) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", "clients", name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fenced.FindAllStringSubmatch(string(b), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	return string(b), blocks
}

// runners say how a snippet is run; what has none must be said to be not run.
var runners = map[string][2]string{ // file name, command
	"sh":     {"snippet.sh", "bash -eu snippet.sh"},
	"python": {"snippet.py", "/usr/bin/python3 snippet.py"},
	"js":     {"snippet.mjs", "node snippet.mjs"},
	"ts":     {"snippet.ts", "node --experimental-transform-types --no-warnings snippet.ts"},
	"php":    {"snippet.php", "php snippet.php"},
	"java": {"Hello.java", "SMTP_HOST=localhost java -Djavax.net.ssl.trustStore=trust.p12 " +
		"-Djavax.net.ssl.trustStorePassword=changeit " +
		"-cp /usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar Hello.java"},
}

// sends are the pages whose snippets send, with the subjects of the mails.
var sends = map[string][]string{
	"swaks": {"Hello from swaks"}, "smtplib": {"Hello from smtplib"}, "nodemailer": {"Hello from nodemailer"},
	"msmtp": {"Hello from msmtp"}, "curl": {"Hello from curl", "Hello from curl over REST"},
	"git-send-email": {"[PATCH] Hello from git"}, "neomutt": {"Hello from neomutt"},
	"phpmailer": {"Hello from phpmailer"}, "python": {"Hello from python"}, "typescript": {"Hello from typescript"},
	"inspector": {"Hello from inspector"}, "javamail": {"Hello from javamail"},
}

// Every snippet of docs/clients, as it stands there, in a shell with the settings of
// dev-env: its mail is held, and delivered once approved.
func TestTheSnippetsOfEveryClientSend(t *testing.T) {
	h := start(t)
	modules, err := filepath.Abs(filepath.Join(peers, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	for name, subjects := range sends {
		t.Run(name, func(t *testing.T) {
			h, dir := h.in(t), t.TempDir()
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			_, blocks := clientPage(t, name)
			for _, b := range blocks {
				run, ok := runners[b.language]
				if !ok {
					t.Fatalf("nothing runs %s", b.language)
				}
				if err := os.WriteFile(filepath.Join(dir, run[0]), []byte(b.text), 0o600); err != nil {
					t.Fatal(err)
				}
				must(t, command(t, "", []string{"B=" + binary, "D=" + h.data, "DIR=" + dir, "HOME=" + dir,
					"PATH=" + filepath.Join(modules, ".bin") + ":" + os.Getenv("PATH")}, "bash", "-euc",
					`eval "$("$B" dev-env --data "$D")"; cd "$DIR"; `+run[1]))
			}
			for _, subject := range subjects {
				h.approveAndCapture(h.only(subject), 1)
			}
		})
	}
}

// A page that no test runs says so, and no page is forgotten.
func TestAPageThatIsNotRunSaysSo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "clients", "*.md"))
	if err != nil || len(files) < 18 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	index, _ := clientPage(t, "README")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		text, _ := clientPage(t, name)
		said := regexp.MustCompile(`was\s+not\s+run`).MatchString(text)
		if name != "README" && (said == (sends[name] != nil) || !strings.Contains(index, "("+name+".md)")) {
			t.Errorf("%s: says that it was not run: %v", name, said)
		}
	}
}

// clientSettings are those that dev-env --mcp prints for a client.
type clientSettings struct {
	File     string
	Settings map[string]any
	Command  string
	URL      string
	Env      map[string]string
	Document string
}

// readFromTheEnvironment looks whether the pages of programs read what is printed for them.
func (h *daemon) readFromTheEnvironment(clients map[string]clientSettings) {
	h.t.Helper()
	for _, name := range []string{"python", "typescript"} { // whose programs TestTheSnippetsOfEveryClientSend runs
		text, _ := clientPage(h.t, name)
		c := clients[name]
		if want := map[string]string{"MULTIMAIL_URL": h.dev.HTTP, "MULTIMAIL_API_KEY": h.dev.AgentKey}; c.URL !=
			h.dev.HTTP+"/mcp" || !maps.Equal(c.Env, want) {
			h.t.Errorf("%s: %+v", name, c)
		}
		for variable := range c.Env {
			if !strings.Contains(text, variable) {
				h.t.Errorf("the page of %s does not read %s", name, variable)
			}
		}
	}
}

// The settings of a page are those that dev-env prints, but for the address and the key.
func TestTheSettingsOfEachMCPClientAreThoseOfItsPage(t *testing.T) {
	h := start(t)
	var printed struct{ Clients map[string]clientSettings }
	decode(t, h.must("dev-env", "--mcp"), &printed)
	own := strings.NewReplacer("https://mail.example.com", h.dev.HTTP, "KEY", h.dev.AgentKey, `"multimail",
      "args"`, `"`+binary+`",
      "args"`, "MULTIMAIL_URL", "MULTIMAIL_URL", "MULTIMAIL_API_KEY", "MULTIMAIL_API_KEY")
	var names []string
	for name, c := range printed.Clients {
		names = append(names, name)
		text, blocks := clientPage(t, name)
		if c.File != "" && !strings.Contains(text, "`"+filepath.Base(c.File)+"`") && !strings.Contains(text, "`"+c.File+"`") {
			t.Errorf("the page of %s does not name %s", name, c.File)
		}
		found := 0
		for _, b := range blocks {
			switch b.language {
			case "json":
				found++
				var want map[string]any
				decode(t, own.Replace(b.text), &want)
				if !reflect.DeepEqual(c.Settings, want) {
					t.Errorf("%s: dev-env prints %v, the page %v", name, c.Settings, want)
				}
			case "text":
				found++
				if strings.TrimSpace(own.Replace(b.text)) != c.Command {
					t.Errorf("%s: dev-env prints %s, the page %s", name, c.Command, b.text)
				}
			}
		}
		if c.Settings != nil && found == 0 {
			t.Errorf("the page of %s has no settings", name)
		}
	}
	slices.Sort(names)
	want := []string{"claude", "copilot-studio", "cursor", "foundry", "inspector", "python", "typescript", "vscode"}
	if !slices.Equal(names, want) {
		t.Errorf("clients: %v", names)
	}
	h.readFromTheEnvironment(printed.Clients)
	// Each HTTP setting reaches the tools.
	for _, name := range []string{"vscode", "cursor"} {
		for _, servers := range printed.Clients[name].Settings {
			s := servers.(map[string]any)["multimail"].(map[string]any)
			key := s["headers"].(map[string]any)["Authorization"].(string)
			out := must(t, peer(t, "mcp-inspector", "--cli", s["url"].(string), "--transport", "http", "--header",
				"Authorization: "+key, "--method", "tools/list"))
			if !strings.Contains(out, `"send_email"`) {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}
