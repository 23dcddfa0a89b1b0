// The frame around every screen: who may enter, where one is, and whether the server is there.

import { useQueryClient } from '@tanstack/preact-query';
import { useEffect, useState } from 'preact/hooks';
import { ErrorBoundary, lazy, Route, Router, useLocation } from 'preact-iso';
import { reachable, signInWanted } from './api/client';
import { follow } from './api/live';
import { arrive, info, session } from './api/session';
import { SetUpPage, SignInDialog, SignInPage } from './entrance';
import { Header } from './header';
import { Page } from './ui/page';
import { Loading, Failed } from './ui/states';
import { Announcements } from './ui/toast';

const DemoBanner = lazy(() => import('./programme/demo').then((module) => module.DemoBanner));
const Home = lazy(() => import('./programme/home').then((module) => module.Home));
const ProgrammePage = lazy(() => import('./programme/programme').then((module) => module.ProgrammePage));
const Instances = lazy(() => import('./console/instances').then((module) => module.Instances));
const InstancePage = lazy(() => import('./console/instance').then((module) => module.InstancePage));
const Inbox = lazy(() => import('./portal/inbox').then((module) => module.Inbox));
const TaskPage = lazy(() => import('./portal/task').then((module) => module.TaskPage));
const Start = lazy(() => import('./portal/start').then((module) => module.Start));

export function App() {
  const [arrival, setArrival] = useState<'asked' | 'here' | Error>('asked');
  const ask = () => {
    setArrival('asked');
    arrive().then(
      () => setArrival('here'),
      (error: Error) => setArrival(error),
    );
  };
  useEffect(ask, []);

  if (arrival === 'asked') return <Loading what="Transhume" />;
  if (arrival instanceof Error) {
    return (
      <main class="entrance">
        <Failed title="The server does not answer" error={arrival} retry={ask} />
      </main>
    );
  }
  if (info.value?.setupNeeded) return <SetUpPage />;
  if (!session.value.user) return <SignInPage />;
  return <Frame />;
}

function Frame() {
  const queries = useQueryClient();
  const { url } = useLocation();
  useEffect(() => follow(queries), [queries]);
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        Skip to content
      </a>
      <Header />
      {info.value?.demo && (
        <ErrorBoundary>
          <DemoBanner />
        </ErrorBoundary>
      )}
      {!reachable.value && (
        <div class="banner banner-bad" role="alert">
          <strong>The server does not answer.</strong> What you see may be old; what you typed is kept. Trying again.
        </div>
      )}
      <div id="content" tabIndex={-1}>
        <Router>
          <Route path="/" component={Home} />
          <Route path="/programme/:id" component={ProgrammePage} />
          <Route path="/console" component={Instances} />
          <Route path="/console/instances/:id" component={InstancePage} />
          <Route path="/portal" component={Inbox} />
          <Route path="/portal/tasks/:id" component={TaskPage} />
          <Route path="/portal/start/:process?" component={Start} />
          <Route default component={() => <NotFound url={url} />} />
        </Router>
      </div>
      <Announcements />
      {signInWanted.value && <SignInDialog />}
    </>
  );
}

/** Not by the address: that belongs to the router. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function NotFound({ url }: { url: string }) {
  return (
    <Page title="No such page">
      <p>
        Nothing is at <code>{url}</code>. It may have been moved, or the link is incomplete.
      </p>
      <p>
        <a href="/portal">Go to your tasks</a>
      </p>
    </Page>
  );
}
