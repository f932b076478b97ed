/* bucket.c: token buckets: a rate and a burst, shared by all workers. */
#include "server_priv.h"

static void refill(struct token_bucket *b, uint64_t now_ms)
{
	if (now_ms <= b->at_ms)
		return;
	b->tokens += (double)(now_ms - b->at_ms) * b->rate / 1000;
	if (b->tokens > b->burst)
		b->tokens = b->burst;
	b->at_ms = now_ms;
}

/* The lock is held for a few instructions; a holder that was scheduled away costs one turn of the others. */
void spin_lock(atomic_flag *lock)
{
	while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire))
		;
}

void bucket_set(struct token_bucket *b, double rate, double burst)
{
	spin_lock(&b->lock);
	b->rate = rate;
	b->burst = burst;
	b->tokens = burst;
	spin_unlock(&b->lock);
}

void bucket_init(struct token_bucket *b, double rate, double burst)
{
	atomic_flag_clear(&b->lock);
	b->at_ms = 0;
	bucket_set(b, rate, burst);
}

bool bucket_take(struct token_bucket *b, uint64_t now_ms)
{
	bool took;

	spin_lock(&b->lock);
	refill(b, now_ms);
	took = b->tokens >= 1;
	if (took)
		b->tokens -= 1;
	spin_unlock(&b->lock);
	return took;
}

bool bucket_peek(struct token_bucket *b, uint64_t now_ms)
{
	bool there;

	spin_lock(&b->lock);
	refill(b, now_ms);
	there = b->tokens >= 1;
	spin_unlock(&b->lock);
	return there;
}
