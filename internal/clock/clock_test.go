package clock

import (
	"io"
	"log/slog"
	"testing"
	"time"
)

// machine is a machine whose clocks a test sets.
type machine struct {
	wall   time.Time
	boot   time.Duration
	synced bool
}

func start() (*machine, *Clock) {
	m := &machine{wall: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), boot: time.Hour}
	return m, m.clock("boot-1")
}

func (m *machine) clock(boot string) *Clock {
	return New(Options{Wall: func() time.Time { return m.wall }, Boot: func() time.Duration { return m.boot },
		Synced: func() bool { return m.synced }, BootID: boot, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// pass lets time pass.
func (m *machine) pass(d time.Duration) { m.wall, m.boot = m.wall.Add(d), m.boot+d }

func TestTimeThatPassesIsTrusted(t *testing.T) {
	m, c := start()
	for _, d := range []time.Duration{0, time.Second, time.Hour, 1000 * time.Hour} { // the last: suspended for weeks
		m.pass(d)
		if got := c.Now(); !c.Trusted() || !got.Equal(m.wall) {
			t.Errorf("after %s: %s, %s", d, got, c.Doubt())
		}
	}
	m.wall = m.wall.Add(59 * time.Second) // within the bound
	if !c.Trusted() {
		t.Error(c.Doubt())
	}
}

func TestAJumpIsInDoubtFromItsFirstReading(t *testing.T) {
	for _, by := range []time.Duration{61 * time.Second, -61 * time.Second, 9000 * time.Hour, -9000 * time.Hour} {
		m, c := start()
		m.wall = m.wall.Add(by)
		c.Now() // one reading, such as that of a transaction
		m.wall = m.wall.Add(-by)
		if c.Trusted() {
			t.Errorf("%s: a jump that lasted one reading went unnoticed", by)
		}
	}
	m, c := start()
	for range 61 { // many small steps are one large one
		m.pass(time.Second)
		m.wall = m.wall.Add(time.Second)
		c.Now()
	}
	if c.Trusted() {
		t.Error("a clock that runs at double speed is trusted")
	}
}

func TestInDoubtTheTimeGoesOnAsItWas(t *testing.T) {
	m, c := start()
	want := m.wall
	m.wall = m.wall.Add(-9000 * time.Hour)
	for range 3 {
		if got := c.Now(); !got.Equal(want) {
			t.Errorf("%s, want %s", got, want)
		}
		m.pass(time.Minute)
		want = want.Add(time.Minute)
	}
	c.Accept()
	if got := c.Now(); !got.Equal(m.wall) {
		t.Errorf("accepted: %s, want %s", got, m.wall)
	}
	// After a start in doubt it goes on from the last commit.
	for _, away := range []time.Duration{-time.Hour, 9000 * time.Hour} {
		m, _ := start()
		commit := m.wall
		m.pass(time.Minute)
		m.wall = m.wall.Add(away)
		again := m.clock("boot-2")
		again.Start(Mark{BootID: "boot-1"}, commit)
		m.pass(time.Minute)
		if got := again.Now(); !got.Equal(commit.Add(time.Minute)) {
			t.Errorf("%s away: %s, want %s", away, got, commit.Add(time.Minute))
		}
	}
}

func TestAClockIsTrustedAgainWhenItIsStableAndConfirmed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		then    func(*machine, *Clock)
		trusted bool
	}{
		{"at once", func(m *machine, c *Clock) {}, false},
		{"nine minutes, synchronised", func(m *machine, c *Clock) { m.synced = true; m.pass(9 * time.Minute) }, false},
		{"ten minutes, synchronised", func(m *machine, c *Clock) { m.synced = true; m.pass(10 * time.Minute) }, true},
		{"a day, not synchronised", func(m *machine, c *Clock) { m.pass(24 * time.Hour) }, false},
		{"ten minutes, and another jump in between", func(m *machine, c *Clock) {
			m.synced = true
			m.pass(5 * time.Minute)
			m.wall = m.wall.Add(2 * time.Second)
			c.Now()
			m.pass(5 * time.Minute)
		}, false},
		{"back where it was for nine minutes", func(m *machine, c *Clock) {
			m.wall = m.wall.Add(-time.Hour)
			c.Now()
			m.pass(9 * time.Minute)
		}, false},
		{"back where it was for ten minutes", func(m *machine, c *Clock) {
			m.wall = m.wall.Add(-time.Hour)
			c.Now()
			m.pass(10 * time.Minute)
		}, true},
		{"accepted", func(m *machine, c *Clock) { c.Accept() }, true},
	} {
		m, c := start()
		m.wall = m.wall.Add(time.Hour)
		c.Now()
		tt.then(m, c)
		if got := c.Trusted(); got != tt.trusted || (c.Doubt() == "") != got {
			t.Errorf("%s: trusted %v (%s)", tt.name, got, c.Doubt())
		}
		if _, ok := c.Mark(); ok != tt.trusted {
			t.Errorf("%s: mark %v", tt.name, ok)
		}
	}
	m, c := start()
	m.wall = m.wall.Add(time.Hour)
	c.Accept()
	m.wall = m.wall.Add(-time.Hour)
	if c.Trusted() {
		t.Error("the clock that was accepted before is still trusted")
	}
}

func TestAStartIsComparedWithTheStore(t *testing.T) {
	for _, tt := range []struct {
		name    string
		boot    string // of the second start
		mark    bool
		move    time.Duration // of the wall clock while the daemon was down
		down    time.Duration
		trusted bool
	}{
		{"a restart of the daemon", "boot-1", true, 0, time.Hour, true},
		{"set forward meanwhile", "boot-1", true, time.Hour, time.Hour, false},
		{"set back meanwhile", "boot-1", true, -30 * time.Minute, time.Hour, false},
		{"a restart of the machine", "boot-2", true, 0, time.Hour, true},
		{"the machine was off for six days", "boot-2", true, 0, 6 * 24 * time.Hour, true},
		{"the machine was off for eight days, or its clock is wrong", "boot-2", true, 0, 8 * 24 * time.Hour, false},
		{"before the last commit", "boot-2", true, -2 * time.Hour, time.Hour, false},
		{"a little before the last commit", "boot-2", true, -time.Hour - 30*time.Second, time.Hour, true},
		{"no mark, before the last commit", "boot-1", false, -2 * time.Hour, time.Hour, false},
		{"no mark, after it", "boot-1", false, 0, time.Hour, true},
	} {
		m, c := start()
		mark, _ := c.Mark()
		if !tt.mark {
			mark = Mark{}
		}
		commit := m.wall
		m.pass(tt.down)
		m.wall = m.wall.Add(tt.move)
		again := m.clock(tt.boot)
		again.Start(mark, commit)
		if got := again.Trusted(); got != tt.trusted {
			t.Errorf("%s: trusted %v (%s)", tt.name, got, again.Doubt())
		}
	}
	_, c := start()
	if c.Start(Mark{}, time.Time{}); !c.Trusted() {
		t.Errorf("an empty store: %s", c.Doubt())
	}
}

// The kernel's clocks are read as this package expects.
func TestTheMachinesOwnClocksAgree(t *testing.T) {
	c := New(Options{})
	if boottime() <= 0 || !c.Trusted() {
		t.Errorf("boot clock %s, %s", boottime(), c.Doubt())
	}
	synced() // must not panic; what it says is the machine's business
}
