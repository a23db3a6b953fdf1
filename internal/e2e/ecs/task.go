package ecs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// startTimeout limits the time before the process runs: pulling its image and
// reading its secrets.
const startTimeout = time.Minute

// task is one process. Its setup fields are set when started is closed, exit and
// why when done is closed.
type task struct {
	id        string
	arn       string
	container types.ContainerDefinition
	root      string // directory of the image
	vars      map[string]string
	log       string // path
	cmd       *exec.Cmd
	began     time.Time

	started chan struct{} // closed when it runs, or has failed to start
	done    chan struct{}
	exit    int
	why     string // it did not start
}

func newTask(id, arn string) *task {
	return &task{id: id, arn: arn, started: make(chan struct{}), done: make(chan struct{})}
}

// runTask starts a task that the emulator has just recorded.
func (h *Host) runTask(request, answer []byte) error {
	var in struct {
		Overrides struct {
			ContainerOverrides []struct{ Command []string }
		}
	}
	var out struct {
		Tasks []struct{ TaskArn, TaskDefinitionArn string }
	}
	if err := errors.Join(json.Unmarshal(request, &in), json.Unmarshal(answer, &out)); err != nil {
		return err
	}
	var command []string
	if o := in.Overrides.ContainerOverrides; len(o) > 0 {
		command = o[0].Command
	}
	for _, recorded := range out.Tasks {
		t := newTask(path.Base(recorded.TaskArn), recorded.TaskArn)
		h.mu.Lock()
		h.tasks[t.arn] = t
		h.mu.Unlock()
		h.running.Go(func() {
			if err := h.start(t, recorded.TaskDefinitionArn, command); err != nil {
				h.options.Log.Error("failed to start task", "task", t.id, "error", err)
				t.why = err.Error()
				close(t.done)
			}
		})
	}
	return nil
}

// describeTask updates a task in a response with its state.
func (h *Host) describeTask(shown map[string]any) {
	arn, _ := shown["taskArn"].(string)
	h.mu.Lock()
	t := h.tasks[arn]
	h.mu.Unlock()
	if t == nil {
		return
	}
	container := map[string]any{"taskArn": arn, "lastStatus": "RUNNING"}
	shown["lastStatus"], shown["desiredStatus"] = "RUNNING", "RUNNING"
	select {
	case <-t.done:
		shown["lastStatus"], shown["desiredStatus"], shown["stoppedReason"] = "STOPPED", "STOPPED", "Essential container in task exited"
		container["lastStatus"] = "STOPPED"
		if t.why != "" {
			shown["stoppedReason"] = t.why
		} else {
			container["exitCode"] = t.exit
		}
		container["name"] = aws.ToString(t.container.Name)
	default:
	}
	shown["containers"] = []any{container}
}

// start runs a task definition's container. It returns when the process runs.
func (h *Host) start(t *task, definition string, command []string) error {
	defer close(t.started)
	ctx, cancel := context.WithTimeout(h.ctx, startTimeout)
	defer cancel()
	out, err := h.client.DescribeTaskDefinition(ctx, &awsecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	if err != nil {
		return fmt.Errorf("read the task definition: %w", err)
	}
	about := out.TaskDefinition
	if n := len(about.ContainerDefinitions); n != 1 {
		return fmt.Errorf("%s has %d containers; only one is supported", definition, n)
	}
	t.container = about.ContainerDefinitions[0]
	t.root = filepath.Join(h.options.Dir, aws.ToString(t.container.Name)+"-"+t.id)
	image, err := h.unpack(ctx, aws.ToString(t.container.Image), t.root)
	if err != nil {
		return err
	}
	if t.vars, err = h.variables(ctx, about, image, t.root); err != nil {
		return err
	}
	t.log = t.root + ".log"
	log, err := os.OpenFile(t.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := t.command(append(slices.Clone(image.Entrypoint), arguments(image, t.container, command)...)...)
	cmd.Stdout, cmd.Stderr = log, log
	t.began = time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	t.cmd = cmd
	h.running.Go(func() {
		_ = cmd.Wait() // the status has it
		t.exit = cmd.ProcessState.ExitCode()
		if err := h.keepLog(t); err != nil {
			h.options.Log.Error("failed to write the log of a task", "task", t.id, "error", err)
		}
		close(t.done)
	})
	return nil
}

// variables returns the variables of the image and the definition, its secrets and
// its role's credentials, changed for this machine.
func (h *Host) variables(ctx context.Context, about *types.TaskDefinition, image v1.Config, root string) (map[string]string, error) {
	container := about.ContainerDefinitions[0]
	vars := map[string]string{}
	for _, v := range image.Env {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	vars["HOME"], vars["TMPDIR"] = filepath.Join(root, "tmp"), filepath.Join(root, "tmp")
	for _, v := range container.Environment {
		vars[aws.ToString(v.Name)] = aws.ToString(v.Value)
	}
	agent, err := h.options.SignIn(ctx, aws.ToString(about.ExecutionRoleArn))
	if err != nil {
		return nil, err
	}
	secrets := secretsmanager.NewFromConfig(h.as(agent))
	for _, s := range container.Secrets {
		value, err := secret(ctx, secrets, aws.ToString(s.ValueFrom))
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", aws.ToString(s.Name), err)
		}
		vars[aws.ToString(s.Name)] = value
	}
	own, err := h.options.SignIn(ctx, aws.ToString(about.TaskRoleArn))
	if err != nil {
		return nil, err
	}
	vars["AWS_ACCESS_KEY_ID"], vars["AWS_SECRET_ACCESS_KEY"], vars["AWS_SESSION_TOKEN"] = own.AccessKeyID, own.SecretAccessKey, own.SessionToken
	return vars, h.options.Place(aws.ToString(container.Name), root, vars)
}

// command prepares a process of the task's image. It is killed when this process
// exits.
func (t *task) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(t.root, args[0]), args[1:]...)
	cmd.Dir, cmd.SysProcAttr = t.vars["TMPDIR"], endsWithUs()
	cmd.Env = []string{}
	for name, value := range t.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// stop sends SIGTERM to the task, and SIGKILL after its stopTimeout.
func (t *task) stop() {
	<-t.started
	if t.cmd == nil {
		return
	}
	_ = t.cmd.Process.Signal(syscall.SIGTERM) // it may have exited
	select {
	case <-t.done:
	case <-time.After(time.Duration(aws.ToInt32(t.container.StopTimeout)) * time.Second):
		_ = t.cmd.Process.Kill()
		<-t.done
	}
}

// healthy waits until the health check of the container passes, for the number of
// retries in the definition.
func (t *task) healthy(ctx context.Context) error {
	check := t.container.HealthCheck
	if check == nil || len(check.Command) < 2 || check.Command[0] != "CMD" {
		return nil
	}
	patience := time.Duration(aws.ToInt32(check.StartPeriod)+aws.ToInt32(check.Interval)*aws.ToInt32(check.Retries)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		out, err := t.command(check.Command[1:]...).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-t.done:
			return fmt.Errorf("it exited with status %d", t.exit)
		case <-ctx.Done():
			return fmt.Errorf("its health check did not pass in %s: %s", patience, out)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// secret reads the value of a container's valueFrom: the whole secret, or the key
// of its JSON that follows the ARN.
func secret(ctx context.Context, c *secretsmanager.Client, from string) (string, error) {
	parts := strings.Split(from, ":")
	if len(parts) < 7 {
		return "", fmt.Errorf("%q is not the ARN of a secret", from)
	}
	id := strings.Join(parts[:7], ":")
	out, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", err
	}
	if len(parts) < 8 || parts[7] == "" {
		return aws.ToString(out.SecretString), nil
	}
	var keys map[string]string
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &keys); err != nil {
		return "", errors.New("it is not a JSON object of strings")
	}
	value, ok := keys[parts[7]]
	if !ok {
		return "", fmt.Errorf("it has no key %q", parts[7])
	}
	return value, nil
}

// keepLog writes the task's output to its log group.
func (h *Host) keepLog(t *task) error {
	about := t.container.LogConfiguration
	if about == nil || about.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	f, err := os.Open(t.log)
	if err != nil {
		return err
	}
	defer f.Close()
	group := about.Options["awslogs-group"]
	stream := path.Join(about.Options["awslogs-stream-prefix"], aws.ToString(t.container.Name), t.id)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// As root, not as the execution role: the emulator checks these calls against
	// the group's ARN without the :* suffix that an AWS policy has.
	logs := cloudwatchlogs.NewFromConfig(h.as(h.options.Root))
	if _, err := logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		return err
	}
	var events []logstypes.InputLogEvent
	put := func() error {
		if len(events) == 0 {
			return nil
		}
		_, err := logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
		events = events[:0]
		return err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 256<<10)
	for at := t.began.UnixMilli(); lines.Scan(); {
		if lines.Text() == "" {
			continue
		}
		if events = append(events, logstypes.InputLogEvent{Message: aws.String(lines.Text()), Timestamp: &at}); len(events) == 1000 {
			if err := put(); err != nil {
				return err
			}
		}
	}
	return errors.Join(lines.Err(), put())
}
