// The events of a workspace. Azure allows one system topic a workspace; one that is there is named, and keeps its name.
param name string

@description('Region of the workspace.')
param location string

param tags object
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: workspaceId
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

output name string = topic.name
output principalId string = topic.identity.principalId
