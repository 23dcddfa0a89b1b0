// The start page: the programme that runs, else the tasks of who signed in.

import { useLocation } from 'preact-iso';
import { useEffect } from 'preact/hooks';
import { useProgrammes } from '../api/queries';
import { Page } from '../ui/page';
import { Answer, Empty } from '../ui/states';

export function Home() {
  const programmes = useProgrammes();
  const { route } = useLocation();
  const items = programmes.data?.items;
  const chosen = items?.find(({ state }) => state === 'running') ?? items?.[0];
  useEffect(() => {
    if (chosen) route(`/programme/${encodeURIComponent(chosen.id)}${location.search}`, true);
  }, [chosen?.id]);
  return (
    <Page title="Programme">
      <Answer of={programmes} what="programmes">
        {({ items }) =>
          items.length === 0 && (
            <div class="panel">
              <Empty title="No migration programme yet">
                A programme begins when its process is started. <a href="/portal/start">Start one</a>, or go to <a href="/portal">your tasks</a>.
              </Empty>
            </div>
          )
        }
      </Answer>
    </Page>
  );
}
