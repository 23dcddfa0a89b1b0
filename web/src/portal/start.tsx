// Start: the processes that can be started, and the start form of one.

import { useMutation, useQueryClient } from '@tanstack/preact-query';
import { useLocation } from 'preact-iso';
import { useState } from 'preact/hooks';
import { post } from '../api/client';
import { useDefinitions, useForm } from '../api/queries';
import { session } from '../api/session';
import type { ProcessDefinition } from '../api/types';
import { closeDraft } from '../form/draft';
import { Fill } from '../form/form';
import { toVariables, type Values } from '../form/values';
import { useParameters } from '../ui/location';
import { Page } from '../ui/page';
import { Search } from '../ui/search';
import { Answer, Empty, Failed } from '../ui/states';
import { say } from '../ui/toast';
import './portal.css';

export function Start({ process }: { process?: string }) {
  return process ? <StartOne process={process} /> : <StartList />;
}

function StartList() {
  const definitions = useDefinitions();
  const [{ search }, change] = useParameters({ search: '' });
  const wanted = search.toLowerCase();
  return (
    <Page title="Start a process" trail={<a href="/portal">Tasks</a>}>
      <Answer of={definitions} what="processes">
        {(all) => {
          const found = all.filter(({ suspended, startableInTasklist, name, key }) => !suspended && startableInTasklist !== false && `${name ?? ''} ${key}`.toLowerCase().includes(wanted));
          if (all.length === 0) {
            return (
              <div class="panel">
                <Empty title="No process is deployed yet">Deploy a model from a modeler or over REST; the readme shows how.</Empty>
              </div>
            );
          }
          return (
            <>
              <div class="filters">
                <Search label="Search processes" value={search} set={(next) => change({ search: next })} />
              </div>
              {found.length === 0 ? (
                <div class="panel">
                  <Empty title={`No process is called like “${search}”`} />
                </div>
              ) : (
                <ul class="start-list">
                  {found.map((definition) => (
                    <li key={definition.id} class="panel">
                      <h2>
                        <a href={`/portal/start/${encodeURIComponent(definition.key)}`}>{definition.name ?? definition.key}</a>
                      </h2>
                      <small class="muted">
                        {definition.key}, version {definition.version}
                        {definition.versionTag && ` (${definition.versionTag})`}
                      </small>
                      {definition.description && <p>{definition.description}</p>}
                    </li>
                  ))}
                </ul>
              )}
            </>
          );
        }}
      </Answer>
    </Page>
  );
}

function StartOne({ process }: { process: string }) {
  const definitions = useDefinitions();
  const definition = definitions.data?.find(({ key }) => key === process);
  return (
    <Page
      title={definition ? `Start “${definition.name ?? definition.key}”` : 'Start a process'}
      trail={
        <>
          <a href="/portal">Tasks</a>
          <span aria-hidden="true">›</span>
          <a href="/portal/start">Start a process</a>
        </>
      }
    >
      <Answer of={definitions} what="process">
        {() =>
          definition ? (
            <StartForm key={definition.id} definition={definition} />
          ) : (
            <Failed title="No such process" error={new Error(`No process with the key “${process}” is deployed.`)} />
          )
        }
      </Answer>
    </Page>
  );
}

function StartForm({ definition }: { definition: ProcessDefinition }) {
  const at = `/engine-rest/process-definition/${encodeURIComponent(definition.id)}`;
  const draft = `${session.value.user}.start.${definition.key}`;
  const form = useForm(at, 'start');
  const queries = useQueryClient();
  const { route } = useLocation();
  const [businessKey, setBusinessKey] = useState('');
  const start = useMutation({
    mutationFn: (values: Values) => post<{ id: string }>(`${at}/start`, { businessKey: businessKey.trim() || null, variables: toVariables(values) }),
    onSuccess: async ({ id }) => {
      say(`“${definition.name ?? definition.key}” is running.`);
      route(`/console/instances/${encodeURIComponent(id)}`);
      closeDraft(draft);
      await queries.invalidateQueries({ queryKey: ['instances'] });
    },
  });
  return (
    <section class="panel task-form" aria-label="Start form">
      {definition.description && <p class="instructions">{definition.description}</p>}
      <label class="field business-key">
        <span>Business key</span>
        <input value={businessKey} spellcheck={false} aria-describedby="business-key-hint" onInput={(event) => setBusinessKey(event.currentTarget.value)} />
        <small class="muted" id="business-key-hint">
          What people call this case: a customer, a wave, a server. May stay empty.
        </small>
      </label>
      <Answer of={form} what="form">
        {(source) => (
          <Fill
            source={source}
            draft={draft}
            action="Start"
            locked={definition.suspended ? 'The process is suspended.' : null}
            busy={start.isPending}
            trouble={start.error?.message ?? null}
            submit={(values) => start.mutate(values)}
          />
        )}
      </Answer>
    </section>
  );
}
