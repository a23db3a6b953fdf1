package awstest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Topic is a new topic on the emulator with a queue subscribed to it.
type Topic struct {
	ARN   string
	queue string
	sqs   *sqs.Client
}

// Message is a message as a subscriber receives it.
type Message struct {
	Subject           string
	Message           string
	MessageAttributes map[string]struct{ Value string }
}

var topics atomic.Int64

// SDK returns the SDK configuration for any client of the emulator.
func SDK(t testing.TB) aws.Config {
	t.Helper()
	env := Env(t)
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(env["AWS_REGION"]),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")))
	if err != nil {
		t.Fatal(err)
	}
	c.BaseEndpoint = aws.String(env["AWS_ENDPOINT_URL_SNS"])
	return c
}

// NewTopic creates a topic.
func NewTopic(t testing.TB) *Topic {
	t.Helper()
	c := SDK(t)
	name := fmt.Sprintf("test-%d", topics.Add(1))
	topic := &Topic{sqs: sqs.NewFromConfig(c)}
	queue, err := topic.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	topic.queue = *queue.QueueUrl
	attributes, err := topic.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	api := sns.NewFromConfig(c)
	made, err := api.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	topic.ARN = *made.TopicArn
	_, err = api.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(attributes.Attributes["QueueArn"]),
	})
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// Receive returns the messages that arrived since the last call, waiting up to a
// few seconds for the first one.
func (q *Topic) Receive(t testing.TB) []Message {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	got, err := q.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
	if err != nil {
		t.Fatal(err)
	}
	messages := make([]Message, len(got.Messages))
	for i, m := range got.Messages {
		if err := json.Unmarshal([]byte(*m.Body), &messages[i]); err != nil {
			t.Fatalf("%v: %s", err, *m.Body)
		}
		if _, err := q.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}
