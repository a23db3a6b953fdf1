package awsclient

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// MaxSubject is the most characters of a Notice's subject.
const MaxSubject = 100

// SNS publishes on one topic.
type SNS struct {
	client *sns.Client
	topic  string
}

// Notice is a message for whoever subscribed to a topic.
type Notice struct {
	Subject    string // of mails: one line of ASCII, up to MaxSubject characters
	Body       string
	Attributes map[string]string // what subscriptions are filtered by; no empty values
}

// NewSNS returns a client of the topic with this ARN.
func NewSNS(c Config, topic string) *SNS {
	client := sns.NewFromConfig(c.aws, func(o *sns.Options) {
		if c.options.SNSEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.SNSEndpoint)
		}
	})
	return &SNS{client: client, topic: topic}
}

// Publish hands a notice to the topic. One that is published again, because an
// answer was lost, reaches the subscribers twice.
func (s *SNS) Publish(ctx context.Context, n Notice) error {
	in := &sns.PublishInput{
		TopicArn: &s.topic, Subject: &n.Subject, Message: &n.Body,
		MessageAttributes: make(map[string]types.MessageAttributeValue, len(n.Attributes)),
	}
	for name, value := range n.Attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	_, err := s.client.Publish(ctx, in)
	return translate(err, "publish on topic %s", s.topic)
}
