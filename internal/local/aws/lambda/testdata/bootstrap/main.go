// Command bootstrap is the function that the tests run.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do   string
	Text string
	N    int
}

func main() {
	switch os.Getenv("START") {
	case "exit":
		fmt.Println("no database")
		os.Exit(3)
	case "hang":
		select {}
	case "deaf":
		answerOnce()
		select {}
	}
	calls := 0
	lambda.Start(func(ctx context.Context, r request) (any, error) {
		calls++
		switch r.Do {
		case "echo":
			fmt.Println("a line for the log")
			lc, _ := lambdacontext.FromContext(ctx)
			deadline, _ := ctx.Deadline()
			return map[string]any{"text": r.Text, "calls": calls, "request": lc.AwsRequestID, "arn": lc.InvokedFunctionArn,
				"left_ms": time.Until(deadline).Milliseconds(), "pid": os.Getpid(), "env": os.Environ()}, nil
		case "error":
			return nil, errors.New(r.Text)
		case "panic":
			panic(r.Text)
		case "exit":
			fmt.Fprintln(os.Stderr, "last words")
			os.Exit(r.N)
		case "sleep":
			<-time.After(time.Duration(r.N) * time.Millisecond) // busy beyond its deadline
		case "child":
			child := exec.Command("sleep", "1000")
			if err := child.Start(); err != nil {
				return nil, err
			}
			return child.Process.Pid, nil
		case "large":
			return strings.Repeat("x", r.N), nil
		}
		return calls, nil
	})
}

// answerOnce is a runtime that never asks for work again.
func answerOnce() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	next, err := http.Get(api + "next")
	if err != nil {
		panic(err)
	}
	id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
	if _, err := http.Post(api+id+"/response", "application/json", strings.NewReader(strconv.Itoa(os.Getpid()))); err != nil {
		panic(err)
	}
}
