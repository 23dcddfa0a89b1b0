import { QueryClient, QueryClientProvider } from '@tanstack/preact-query';
import { render } from 'preact';
import { LocationProvider } from 'preact-iso';
import { Unreachable } from './api/client';
import { App } from './app';
import './ui/base.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // "Online" of the browser says nothing about a server on the same machine.
      networkMode: 'always',
      // The event stream says when something is stale.
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      retry: (_count, error) => error instanceof Unreachable,
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 5_000),
    },
    mutations: { networkMode: 'always', retry: false },
  },
});

const root = document.getElementById('app');
if (root) {
  render(
    <QueryClientProvider client={queries}>
      <LocationProvider>
        <App />
      </LocationProvider>
    </QueryClientProvider>,
    root,
  );
}
