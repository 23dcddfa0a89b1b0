// Instances: what runs and what ran, newest first, with open incidents.

import { useDefinitions, useIncidents, useInstances, type InstanceFilter, type InstanceState } from '../api/queries';
import type { HistoricInstance } from '../api/types';
import { Choice } from '../ui/choice';
import { useParameters } from '../ui/location';
import { Page } from '../ui/page';
import { Pager } from '../ui/pager';
import { Search } from '../ui/search';
import { Answer, Empty } from '../ui/states';
import { Time } from '../ui/time';
import { InstanceBadge } from './instance-badge';
import './console.css';

const STATES = [
  ['running', 'Running'],
  ['incident', 'With incidents'],
  ['ended', 'Ended'],
  ['all', 'All'],
] as const satisfies readonly (readonly [InstanceState, string])[];

const NO_FILTER = { state: 'running', process: '', search: '', called: '', page: '0' };

export function Instances() {
  const [parameters, change] = useParameters(NO_FILTER);
  const definitions = useDefinitions();
  const filter: InstanceFilter = {
    state: (STATES.find(([each]) => each === parameters.state)?.[0] ?? 'running') as InstanceState,
    process: parameters.process,
    search: parameters.search,
    called: parameters.called === 'yes',
    page: Math.max(0, Number.parseInt(parameters.page, 10) || 0),
  };
  const instances = useInstances(filter);
  return (
    <Page
      title="Instances"
      actions={
        <a class="button" href="/portal/start">
          Start a process
        </a>
      }
    >
      <div class="filters">
        <Choice label="State" name="state" value={filter.state} options={STATES} set={(state) => change({ state, page: '0' })} />
        <select aria-label="Process" value={filter.process} onChange={(event) => change({ process: event.currentTarget.value, page: '0' })}>
          <option value="">Every process</option>
          {filter.process && !definitions.data?.some(({ key }) => key === filter.process) && <option value={filter.process}>{filter.process}</option>}
          {definitions.data?.map((definition) => (
            <option key={definition.key} value={definition.key}>
              {definition.name ?? definition.key}
            </option>
          ))}
        </select>
        <Search label="Search by business key" value={filter.search} set={(search) => change({ search, page: '0' })} />
        <label class="check">
          <input type="checkbox" checked={filter.called} onChange={(event) => change({ called: event.currentTarget.checked ? 'yes' : '', page: '0' })} />
          Also called instances
        </label>
      </div>
      <Answer of={instances} what="instances">
        {({ rows, count }) =>
          rows.length === 0 ? (
            <div class="panel">
              <Nothing filter={filter} />
            </div>
          ) : (
            <>
              <InstanceTable instances={rows} />
              <Pager what="instance" page={filter.page} count={count} set={(page) => change({ page: String(page) })} />
            </>
          )
        }
      </Answer>
    </Page>
  );
}

function Nothing({ filter }: { filter: InstanceFilter }) {
  if (filter.search || filter.process) return <Empty title="No instance fits">Widen the search, or choose All.</Empty>;
  if (filter.state === 'incident') return <Empty title="No open incidents">Work that fails and needs a person appears here.</Empty>;
  if (filter.state === 'running') {
    return (
      <Empty title="Nothing is running">
        <a href="/portal/start">Start a process</a>, or look at those that have ended.
      </Empty>
    );
  }
  return <Empty title="No instances yet">Deploy a model and start it; the readme shows how.</Empty>;
}

function InstanceTable({ instances }: { instances: HistoricInstance[] }) {
  const incidents = useIncidents();
  const failed = new Map<string, number>();
  for (const incident of incidents.data ?? []) failed.set(incident.processInstanceId, (failed.get(incident.processInstanceId) ?? 0) + 1);
  return (
    <div class="panel scroll">
      <table class="cards">
        <caption class="visually-hidden">Process instances</caption>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">Business key</th>
            <th scope="col">State</th>
            <th scope="col">Started</th>
            <th scope="col">Ended</th>
            <th scope="col" class="number">
              Version
            </th>
          </tr>
        </thead>
        <tbody>
          {instances.map((instance) => (
            <tr key={instance.id}>
              <th scope="row">
                <a href={`/console/instances/${encodeURIComponent(instance.id)}`}>{instance.processDefinitionName ?? instance.processDefinitionKey}</a>
              </th>
              <td data-label="Business key">{instance.businessKey ?? <span class="muted">–</span>}</td>
              <td data-label="State">
                <InstanceBadge instance={instance} incidents={failed.get(instance.id) ?? 0} />
              </td>
              <td data-label="Started" class="nowrap">
                <Time at={instance.startTime} />
              </td>
              <td data-label="Ended" class="nowrap">
                <Time at={instance.endTime} />
              </td>
              <td data-label="Version" class="number">
                {instance.processDefinitionVersion}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
