// One page for an operator: scoring, runs, data, failures.
param location string
param tags object
param applicationInsightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(applicationInsightsId, 'bridge')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'AML Bridge'
    category: 'workbook'
    sourceId: applicationInsightsId
    serializedData: loadTextContent('../workbook.json')
  }
}
