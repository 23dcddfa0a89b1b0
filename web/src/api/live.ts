// Changes as they happen: one event stream per browser, and queries that are asked again when a change names them.
//
// HTTP/1.1 allows six connections per browser and server in all, so tabs elect one that holds the stream and passes on
// what it hears. A hidden tab collects and catches up when it is looked at. The next round of questions starts only when
// the last one is answered: a burst of changes slows the screen down, never the server.

import type { QueryClient } from '@tanstack/preact-query';
import { get, reachable, signInWanted } from './client';
import type { Change, Session } from './types';

export type Topic = 'task' | 'instance' | 'incident' | 'programme';

/** What a query says about itself, in its `meta`. */
export interface Follows extends Record<string, unknown> {
  topics: Topic[];
  /** Only changes of this instance matter. */
  instance?: string;
}

const TOPICS: Topic[] = ['task', 'instance', 'incident', 'programme'];
const CHANNEL = 'transhume-events';
const ROUND_MS = 250;
const RETRY_MS_MAX = 10_000;

interface News {
  topic: Topic | 'reset';
  instance: string | null;
}

/** Follows the stream until the returned function is called. */
export function follow(queries: QueryClient): () => void {
  const stop = new AbortController();
  const rounds = new Rounds(queries, stop.signal);
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (message: MessageEvent<News>) => rounds.note(message.data);
  const tell = (news: News) => {
    rounds.note(news);
    channel.postMessage(news);
  };
  const lead = () => listen(tell, stop.signal);
  // Without a secure context there are no locks: then each tab has a stream of its own.
  if (navigator.locks) navigator.locks.request(CHANNEL, { signal: stop.signal }, lead).catch(() => {});
  else void lead();
  stop.signal.addEventListener('abort', () => channel.close());
  return () => stop.abort();
}

/** Holds the stream; resolves when it is to end. */
function listen(tell: (news: News) => void, stop: AbortSignal): Promise<void> {
  let source: EventSource | null = null;
  let wasLost = false;
  let wait = 500;
  const open = () => {
    if (stop.aborted) return;
    source = new EventSource(`/api/events?topics=${TOPICS.join(',')}`);
    source.onopen = () => {
      reachable.value = true;
      wait = 500;
      if (wasLost) tell({ topic: 'reset', instance: null });
      wasLost = false;
    };
    for (const topic of TOPICS) source.addEventListener(topic, (event) => tell({ topic, instance: instanceOf(event as MessageEvent<string>) }));
    source.addEventListener('reset', () => tell({ topic: 'reset', instance: null }));
    source.onerror = () => {
      // The browser's own retry would go on silently; ours also finds out why.
      source?.close();
      wasLost = true;
      void diagnose().then(() => setTimeout(open, wait));
      wait = Math.min(wait * 2, RETRY_MS_MAX);
    };
  };
  open();
  return new Promise((done) => {
    const end = () => {
      source?.close();
      done();
    };
    if (stop.aborted) end();
    else stop.addEventListener('abort', end);
  });
}

/** Tells a server that is gone from a session that has ended. */
async function diagnose(): Promise<void> {
  try {
    const session = await get<Session>('/api/session');
    if (!session.user) signInWanted.value = true;
  } catch {
    // `get` has noted that the server is away.
  }
}

function instanceOf(event: MessageEvent<string>): string | null {
  try {
    return (JSON.parse(event.data) as Change).instance ?? null;
  } catch {
    return null;
  }
}

/** Collects news and asks the queries they name again, one round after the other. */
class Rounds {
  private pending: News[] = [];
  private running = false;

  constructor(
    private readonly queries: QueryClient,
    private readonly stop: AbortSignal,
  ) {
    document.addEventListener('visibilitychange', () => void this.run(), { signal: stop });
  }

  note(news: News) {
    if (news.topic === 'reset') this.pending = [news];
    else if (!this.pending.some((known) => known.topic === 'reset' || (known.topic === news.topic && known.instance === news.instance))) this.pending.push(news);
    void this.run();
  }

  private async run() {
    if (this.running) return;
    this.running = true;
    while (this.pending.length > 0 && !document.hidden && !this.stop.aborted) {
      await new Promise((next) => setTimeout(next, ROUND_MS));
      const news = this.pending;
      this.pending = [];
      await this.queries.invalidateQueries({ predicate: (query) => concerns(news, query.meta as Follows | undefined) });
    }
    this.running = false;
  }
}

function concerns(news: News[], follows: Follows | undefined): boolean {
  return news.some(({ topic, instance }) => {
    // What follows nothing never changes, or lies below the hands of who fills in a form.
    if (!follows) return false;
    if (topic === 'reset') return true;
    if (!follows.topics.includes(topic)) return false;
    return !follows.instance || !instance || follows.instance === instance;
  });
}
