package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func kafkaServer(context.Context) error {
	if _, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(1, "orders")); err != nil {
		return err
	}
	select {}
}

// kafkaClient produces records and consumes them in a group.
func kafkaClient(ctx context.Context) error {
	c, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.ClientID("gopeers"), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DefaultProduceTopic("orders"), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 3 {
		if err := c.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("order ", i))).FirstErr(); err != nil {
			return err
		}
	}
	for n := 0; n < 3; {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return err
		}
		n += f.NumRecords()
	}
	return c.CommitUncommittedOffsets(ctx)
}
