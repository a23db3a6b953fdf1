package stack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/process"
	"github.com/recflow/recflow/internal/postgres"
)

// databaseName is the database that the stack creates and migrates.
const databaseName = "recflow"

// postgresPart is the database server. Postgres's pg_ctl starts and stops its
// process, so it differs from a plain program.
type postgresPart struct {
	process.Process
	server   *pgserver.Server
	settings Settings
}

func newPostgres(o Options) Part {
	server := postgresServer(o)
	return &postgresPart{
		Process: process.Process{
			Name: "postgres", Home: o.Home, Grace: 60 * time.Second,
			Args: []string{filepath.Join(server.Bin, "postgres")},
			Vars: map[string]string{"port": fmt.Sprint(server.Port), "data": server.Data},
		},
		server:   server,
		settings: o.Settings,
	}
}

func postgresServer(o Options) *pgserver.Server {
	return &pgserver.Server{
		Bin:      o.Tools.PostgresBin,
		Data:     filepath.Join(o.Home, "postgres"),
		Port:     o.Settings.Ports.Postgres,
		Password: o.Settings.Password,
		LogPath:  filepath.Join(o.Home, "logs", "postgres.log"),
	}
}

func (p *postgresPart) Name() string           { return p.Process.Name }
func (p *postgresPart) Ports() []int           { return []int{p.server.Port} }
func (p *postgresPart) Address() string        { return loopback(p.server.Port) }
func (p *postgresPart) Proc() *process.Process { return &p.Process }

// Start creates the data directory on the first start and starts the server.
func (p *postgresPart) Start(ctx context.Context) error {
	p.dropStalePID()
	if err := p.server.Init(ctx); err != nil {
		return err
	}
	return p.StartBy(func() (int, error) {
		err := p.server.Start(ctx)
		return p.server.PID(), err
	})
}

// dropStalePID removes the PID file of a server known to have died: another process
// may have its PID by now, and pg_ctl would mistake that for the server.
func (p *postgresPart) dropStalePID() {
	r, ok := p.LastRecord()
	if _, running := p.Find(); ok && !running && r.PID == p.server.PID() {
		_ = os.Remove(filepath.Join(p.server.Data, "postmaster.pid"))
	}
}

// Ready connects as the clients do.
func (p *postgresPart) Ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.server.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// partRoles are the parts that connect to the database as their own user. The
// user's own commands connect as its superuser.
var partRoles = map[string]string{
	"worker": postgres.RoleLoader,
	"stream": postgres.RoleStream,
	"api":    postgres.RoleAPI,
}

// databaseURL returns the address of the database for a part.
func (s Settings) databaseURL(home, part string) string {
	server := postgresServer(Options{Home: home, Settings: s})
	role, own := partRoles[part]
	if !own {
		return server.URL(databaseName)
	}
	return server.URLAs(role, s.rolePassword(role), databaseName)
}

// rolePassword derives a role's password from the stored one.
func (s Settings) rolePassword(role string) string {
	mac := hmac.New(sha256.New, []byte(s.Password))
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil))
}

// Prepare creates the database, migrates its schema, and enables logins for the
// parts' users.
func (p *postgresPart) Prepare(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.server.Bin, "createdb"),
		"--host=127.0.0.1", fmt.Sprintf("--port=%d", p.server.Port), "--username="+pgserver.User, databaseName)
	cmd.Env = config.ChildEnv(map[string]string{"PGPASSWORD": p.server.Password, "LC_ALL": "C"})
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "already exists") {
		return fmt.Errorf("create the database: %w: %s", err, strings.TrimSpace(string(out)))
	}
	o := postgres.Options{URL: p.server.URL(databaseName)}
	if err := postgres.MigrateAndGrant(ctx, o); err != nil {
		return err
	}
	for _, role := range partRoles {
		if err := postgres.SetPassword(ctx, o, role, p.settings.rolePassword(role)); err != nil {
			return err
		}
	}
	return nil
}

// Stop disconnects the clients and writes everything out.
func (p *postgresPart) Stop(ctx context.Context) error {
	if _, ok := p.Find(); !ok {
		// An interrupted start leaves a server without a record.
		if _, ok := p.LastRecord(); ok || p.server.PID() == 0 {
			return p.RemoveRecord()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.Grace)
	defer cancel()
	if err := p.server.Stop(ctx, pgserver.Fast); err != nil {
		return err
	}
	return p.RemoveRecord()
}
